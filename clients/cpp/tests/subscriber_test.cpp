// The rules that every client package keeps, one by one, against a relay within the test.
#include "smile_relay/subscriber.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <stdexcept>
#include <thread>

#include "fake_relay.hpp"
#include "temporary_directory.hpp"

namespace smile_relay {
namespace {

using grpc::Status;
using grpc::StatusCode;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

const Status kUnavailable{StatusCode::UNAVAILABLE, "away"};

/// Remembers what it was given.
class SpyStore final : public CursorStore {
 public:
  explicit SpyStore(std::string kept = {}) : kept_(std::move(kept)) {}
  Status load(std::string& cursor) override {
    cursor = kept_;
    return load_status;
  }
  Status save(const std::string& cursor) override {
    saves.push_back(cursor);
    return save_status;
  }

  Status load_status;
  Status save_status;
  std::vector<std::string> saves;

 private:
  std::string kept_;
};

/// A subscription to a relay within the test, quick to retry, which remembers all that it is told.
struct SubscriberTest : testing::Test {
  SubscriberTest() {
    options.target = relay.target();
    options.cursor_store = store;
    options.backoff_initial = 1ms;
    options.backoff_max = 2ms;
    options.on_connected = [this](const Connected& connected) { resumed.push_back(connected.after); };
    options.on_lost = [this](const Lost& lost) { losses.push_back(lost); };
  }

  Result run() {
    return Subscriber{options}.run([this](const v1::Event& event) {
      handled.push_back(event.sequence());
      return Status::OK;
    });
  }

  FakeRelay relay;
  std::shared_ptr<SpyStore> store = std::make_shared<SpyStore>();
  Options options;
  std::vector<std::uint64_t> handled;
  std::vector<std::string> resumed;
  std::vector<Lost> losses;
};

TEST_F(SubscriberTest, SendsWhatTheOptionsSay) {
  options.filter.add_type_names("USER_CREATED");
  options.consumer = "test";
  options.include_raw_body = true;
  options.max_event_bytes = 5000;
  options.heartbeat_interval = 1500ms;
  EXPECT_FALSE(run().ok());
  const auto request = relay.requests().at(0);
  EXPECT_EQ(request.filter().type_names(0), "USER_CREATED");
  EXPECT_EQ(request.consumer(), "test");
  EXPECT_TRUE(request.include_raw_body());
  EXPECT_EQ(request.max_event_bytes(), 5000U);
  EXPECT_EQ(request.heartbeat_interval().seconds(), 1);
  EXPECT_EQ(request.heartbeat_interval().nanos(), 500'000'000);
}

TEST_F(SubscriberTest, StartsWhereTheApplicationSaysIfTheStoreIsEmpty) {
  EXPECT_FALSE(run().ok());
  options.start = Earliest{};
  EXPECT_FALSE(run().ok());
  options.start = std::chrono::system_clock::time_point{1500ms};
  EXPECT_FALSE(run().ok());
  const auto requests = relay.requests();
  EXPECT_EQ(requests.at(0).position(), v1::START_POSITION_LATEST);
  EXPECT_EQ(requests.at(1).position(), v1::START_POSITION_EARLIEST);
  EXPECT_EQ(requests.at(2).received_since().seconds(), 1);
  EXPECT_EQ(requests.at(2).received_since().nanos(), 500'000'000);
}

TEST_F(SubscriberTest, StartsAfterTheCursorOfTheStore) {
  options.start = Earliest{};
  options.cursor_store = std::make_shared<SpyStore>("kept");
  EXPECT_FALSE(run().ok());
  EXPECT_EQ(relay.requests().at(0).after_cursor(), "kept");
}

TEST_F(SubscriberTest, ResumesAfterTheLastHandledEvent) {
  relay
      .then([](auto& stream) {
        stream.checkpoint(0);
        stream.event(1);
        stream.event(2);
        return kUnavailable;
      })
      .then([](auto& stream) {
        stream.checkpoint(2);
        stream.event(3);
        return Status::OK;  // Nobody asked for an end.
      });
  EXPECT_EQ(run().error.kind, ErrorKind::relay);
  EXPECT_EQ(handled, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(resumed, (std::vector<std::string>{"", "c-2"}));
  ASSERT_EQ(losses.size(), 2U);
  EXPECT_EQ(losses[0].code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(losses[1].code, StatusCode::OK);
  EXPECT_EQ(relay.requests().at(2).after_cursor(), "c-3");
  EXPECT_EQ(store->saves, (std::vector<std::string>{"c-0", "c-1", "c-2", "c-3"}));
}

TEST_F(SubscriberTest, DoesNotKeepAnEventWhoseHandlerFails) {
  relay.then([](auto& stream) {
    stream.checkpoint(0);
    stream.event(1);
    stream.event(2);
    return stream.fall_silent();
  });
  const auto result = Subscriber{options}.run([](const v1::Event& event) {
    return event.sequence() == 1 ? Status::OK : Status{StatusCode::DATA_LOSS, "the database is gone"};
  });
  EXPECT_EQ(result.error.kind, ErrorKind::handler);
  EXPECT_EQ(result.error.code, StatusCode::DATA_LOSS);
  EXPECT_EQ(result.error.message, "the database is gone");
  EXPECT_EQ(store->saves.back(), "c-1");
}

TEST_F(SubscriberTest, LetsAnExceptionOfTheHandlerPass) {
  relay.then([](auto& stream) {
    stream.event(1);
    return stream.fall_silent();
  });
  Subscriber subscriber{options};
  EXPECT_THROW(static_cast<void>(subscriber.run([](const v1::Event&) -> Status { throw std::domain_error{"no"}; })),
               std::domain_error);
  EXPECT_TRUE(store->saves.empty());
}

TEST_F(SubscriberTest, SavesCheckpointsOnceASecondAtMostAndTheLastAtTheEnd) {
  relay.then([](auto& stream) {
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) stream.checkpoint(sequence);
    return Status{StatusCode::PERMISSION_DENIED, "no"};
  });
  EXPECT_EQ(run().error.code, StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(store->saves, (std::vector<std::string>{"c-1", "c-5"}));
}

TEST_F(SubscriberTest, DoesNotSaveTheSameCursorAgain) {
  relay.then([](auto& stream) {
    stream.event(1);
    stream.checkpoint(1);
    return Status{StatusCode::PERMISSION_DENIED, "no"};
  });
  EXPECT_FALSE(run().ok());
  EXPECT_EQ(store->saves, (std::vector<std::string>{"c-1"}));
}

TEST_F(SubscriberTest, EndsWithTheErrorOfTheStore) {
  store->load_status = {StatusCode::INTERNAL, "can't read"};
  EXPECT_EQ(run().error.kind, ErrorKind::cursor_store);
  EXPECT_TRUE(relay.requests().empty());
  store->load_status = Status::OK;
  store->save_status = {StatusCode::INTERNAL, "disk full"};
  relay.then([](auto& stream) {
    stream.event(1);
    return stream.fall_silent();
  });
  const auto result = run();
  EXPECT_EQ(result.error.kind, ErrorKind::cursor_store);
  EXPECT_NE(result.error.message.find("disk full"), std::string::npos);
}

TEST_F(SubscriberTest, WaitsAsLongAsTheRelayAsks) {
  relay.then([](auto&) { return RelayStatus{StatusCode::UNAVAILABLE, "DRAINING"}.retry_after(0, 30'000'000).build(); });
  EXPECT_FALSE(run().ok());
  EXPECT_EQ(losses.at(0).reason, "DRAINING");
  EXPECT_EQ(losses.at(0).delay, 30ms);
}

TEST_F(SubscriberTest, EndsWithAGapUnlessTheApplicationDecides) {
  options.cursor_store = store = std::make_shared<SpyStore>("old");
  relay.then([](auto&) {
    return RelayStatus{StatusCode::OUT_OF_RANGE, "CURSOR_EXPIRED"}
        .with("earliest_cursor", "e")
        .with("latest_cursor", "l")
        .build();
  });
  const auto result = run();
  EXPECT_EQ(result.error.kind, ErrorKind::gap);
  ASSERT_TRUE(result.error.gap);
  EXPECT_EQ(result.error.gap->reason, "CURSOR_EXPIRED");
  EXPECT_EQ(result.error.gap->asked, "old");
  EXPECT_EQ(result.error.gap->earliest_cursor, "e");
  EXPECT_EQ(result.error.gap->latest_cursor, "l");
  EXPECT_TRUE(store->saves.empty());
}

TEST_F(SubscriberTest, GoesOnAfterAGapWhereTheApplicationSays) {
  options.cursor_store = store = std::make_shared<SpyStore>("old");
  std::vector<GapDecision> decisions{Earliest{}, Latest{}, After{"mine"}};
  for (std::size_t gap = 0; gap < decisions.size(); ++gap) {
    relay.then([](auto&) { return RelayStatus{StatusCode::FAILED_PRECONDITION, "CURSOR_AHEAD"}.build(); });
  }
  std::size_t asked = 0;
  options.on_gap = [&](const Gap&) { return decisions.at(asked++); };
  EXPECT_EQ(run().error.kind, ErrorKind::relay);
  const auto requests = relay.requests();
  EXPECT_EQ(requests.at(1).position(), v1::START_POSITION_EARLIEST);
  EXPECT_EQ(requests.at(2).position(), v1::START_POSITION_LATEST);
  EXPECT_EQ(requests.at(3).after_cursor(), "mine");
  EXPECT_TRUE(store->saves.empty()) << "the relay has not confirmed any of them";
}

TEST_F(SubscriberTest, SaysWhichSettingToRaiseForAMessageThatIsTooLarge) {
  options.max_event_bytes = 4096;
  relay.then([](auto& stream) {
    v1::Event event;
    event.set_raw_body(std::string(2 << 20, 'x'));
    stream.event(event);
    return stream.fall_silent();
  });
  const auto result = run();
  EXPECT_EQ(result.error.kind, ErrorKind::message_too_large);
  EXPECT_NE(result.error.message.find("max_event_bytes"), std::string::npos) << result.error.message;
}

TEST_F(SubscriberTest, DropsTheConnectionOfADeadStream) {
  relay
      .then([](auto& stream) {
        stream.checkpoint(1, 20ms);
        return stream.fall_silent();
      })
      .then([](auto& stream) {
        stream.checkpoint(1);
        return Status{StatusCode::PERMISSION_DENIED, "no"};
      });
  EXPECT_EQ(run().error.code, StatusCode::PERMISSION_DENIED);
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_TRUE(losses[0].dead);
  const auto peers = relay.peers();
  EXPECT_NE(peers.at(0), peers.at(1));
}

TEST_F(SubscriberTest, DoesNotCountTheTimeOfTheHandlerAsSilence) {
  relay.then([](auto& stream) {
    stream.checkpoint(0, 50ms);
    stream.event(1);
    stream.event(2);
    return Status{StatusCode::PERMISSION_DENIED, "no"};
  });
  const auto result = Subscriber{options}.run([](const v1::Event&) {
    std::this_thread::sleep_for(200ms);  // Twice what a silent relay is granted.
    return Status::OK;
  });
  EXPECT_EQ(result.error.code, StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(losses.empty());
}

TEST_F(SubscriberTest, EndsWhenItHasCaughtUpIfAsked) {
  options.stop_when_caught_up = true;
  relay.then([](auto& stream) {
    stream.event(1);
    return Status::OK;
  });
  EXPECT_EQ(run().end, Result::End::caught_up);
  EXPECT_TRUE(relay.requests().at(0).stop_when_caught_up());
}

TEST_F(SubscriberTest, StopsFromTheHandlerAfterTheEventInHand) {
  relay.then([](auto& stream) {
    stream.event(1);
    stream.event(2);
    return stream.fall_silent();
  });
  Subscriber subscriber{options};
  const auto result = subscriber.run([&](const v1::Event& event) {
    handled.push_back(event.sequence());
    subscriber.stop();
    return Status::OK;
  });
  EXPECT_EQ(result.end, Result::End::stopped);
  EXPECT_EQ(handled, (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(store->saves, (std::vector<std::string>{"c-1"}));
}

TEST_F(SubscriberTest, StopsDuringABackoff) {
  options.backoff_initial = options.backoff_max = 1h;
  relay.then([](auto&) { return kUnavailable; });
  std::promise<void> lost;
  options.on_lost = [&lost](const Lost&) { lost.set_value(); };
  Subscriber subscriber{options};
  auto stopper = std::async(std::launch::async, [&] {
    lost.get_future().wait();
    subscriber.stop();
  });
  EXPECT_EQ(subscriber.run([](const v1::Event&) { return Status::OK; }).end, Result::End::stopped);
}

TEST_F(SubscriberTest, StopsWhileTheRelayIsSilent) {
  relay.then([](auto& stream) {
    stream.checkpoint(1);
    return stream.fall_silent();
  });
  std::promise<void> connected;
  options.on_connected = [&connected](const Connected&) { connected.set_value(); };
  static Subscriber* running = nullptr;
  Subscriber subscriber{options};
  running = &subscriber;
  std::signal(SIGUSR1, [](int) { running->stop(); });
  auto stopper = std::async(std::launch::async, [&] {
    connected.get_future().wait();
    std::raise(SIGUSR1);
  });
  EXPECT_EQ(subscriber.run([](const v1::Event&) { return Status::OK; }).end, Result::End::stopped);
  stopper.get();
  std::signal(SIGUSR1, SIG_DFL);
}

TEST_F(SubscriberTest, StaysStopped) {
  Subscriber subscriber{options};
  subscriber.stop();
  EXPECT_EQ(subscriber.run([](const v1::Event&) { return Status::OK; }).end, Result::End::stopped);
  EXPECT_TRUE(relay.requests().empty());
}

TEST_F(SubscriberTest, FetchesWhatIsOmittedAndTriesAgain) {
  const auto stub = [](auto& stream) {
    v1::Event event;
    event.set_sequence(7);
    event.set_cursor(cursor_of(7));
    event.mutable_omitted()->set_reason(v1::OMITTED_REASON_TOO_LARGE);
    event.mutable_omitted()->set_size_bytes(6 << 20);
    stream.event(event);
    return Status{StatusCode::PERMISSION_DENIED, "no"};
  };
  relay.then(stub).then(stub);
  relay.then_get_event([](auto&) { return kUnavailable; }).then_get_event([](auto& event) {
    event.set_sequence(7);
    event.set_cursor(cursor_of(7));
    event.set_raw_body(std::string(6 << 20, 'x'));
    return Status::OK;
  });
  std::vector<std::size_t> sizes;
  const auto take = [&sizes](const v1::Event& event) {
    sizes.push_back(event.raw_body().size());
    return Status::OK;
  };
  EXPECT_FALSE(Subscriber{options}.run(take).ok());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{0})) << "off by default";
  EXPECT_TRUE(relay.get_event_requests().empty());

  sizes.clear();
  options.fetch_omitted = true;
  options.include_raw_body = true;
  EXPECT_FALSE(Subscriber{options}.run(take).ok());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{6 << 20}));
  EXPECT_EQ(losses.size(), 1U);
  ASSERT_EQ(relay.get_event_requests().size(), 2U);
  EXPECT_EQ(relay.get_event_requests()[1].cursor(), "c-7");
  EXPECT_TRUE(relay.get_event_requests()[1].include_raw_body());
  EXPECT_EQ(store->saves.back(), "c-7");
}

TEST_F(SubscriberTest, SendsTheTokenAndRetriesWithTheNextOne) {
  const Status refused{StatusCode::UNAUTHENTICATED, "who?"};
  relay.then([&](auto&) { return refused; });
  EXPECT_EQ(run().error.code, StatusCode::UNAUTHENTICATED) << "there is no token that could change";

  const TemporaryDirectory directory;
  options.token_file = directory.write("token", " first \n");
  relay.then([&](auto&) {
    directory.write("token", "second");
    return refused;
  });
  EXPECT_EQ(run().error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(relay.authorizations(), (std::vector<std::string>{"", "Bearer first", "Bearer second"}));
}

TEST_F(SubscriberTest, NamesAUnixSocketLocalhost) {
  const TemporaryDirectory directory;
  FakeRelay at_a_socket{"unix:" + directory.path("relay.sock")};
  options.target = at_a_socket.target();
  EXPECT_EQ(run().error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(at_a_socket.authorities(), (std::vector<std::string>{"localhost"}));
}

TEST_F(SubscriberTest, SaysWhatIsWrongWithItsOptions) {
  options.target = "nowhere";
  const auto result = run();
  EXPECT_EQ(result.error.kind, ErrorKind::options);
  EXPECT_EQ(result.error.describe(), "INVALID_ARGUMENT: target: \"nowhere\" is neither host:port nor unix:/path");
}

}  // namespace
}  // namespace smile_relay
