#include "session.hpp"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

namespace smile_relay {
namespace {

using google::protobuf::util::TimeUtil;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// The first message may take this long, connecting included; or two heartbeat intervals, if that is longer.
constexpr milliseconds kFirstMessage = seconds{10};
/// An event has to be fetched within this time: a large one may take a while.
constexpr milliseconds kFetch = seconds{60};
/// Checkpoints are given to the store this often at most, while no events are.
constexpr milliseconds kCheckpointSaves = seconds{1};
/// What a message takes beside its event, and the events of a message beside each other.
constexpr std::uint64_t kReceiveHeadroom = 1 << 20;

Failure silence(milliseconds limit) {
  Failure failure;
  failure.code = grpc::StatusCode::DEADLINE_EXCEEDED;
  failure.message = "nothing was received for " + std::to_string(limit.count()) + " ms";
  failure.dead = true;
  return failure;
}

std::string too_large(const Failure& failure) {
  return "a message is larger than the receive limit, which is max_event_bytes plus 1 MiB: raise both by raising "
         "max_event_bytes (gRPC says: " +
         failure.message + ")";
}

std::string with_advice(const Failure& failure) {
  const auto what_to_do = advice(failure.code);
  return what_to_do.empty() ? failure.message : failure.message + " (" + what_to_do + ")";
}

}  // namespace

Result Session::run() {
  if (auto status = store_.load(saved_); !status.ok()) {
    fail({ErrorKind::cursor_store, status.error_code(), {}, "load: " + status.error_message(), {}});
    return result_;
  }
  if (saved_.empty()) {
    std::visit([this](const auto& start) { place_ = start; }, options_.start);
  } else {
    place_ = After{saved_};
  }
  Next next = Next::reopen;
  while (next != Next::end) {
    Failure failure;
    next = follow(failure);  // The stream and its connection are closed when it returns: not kept through a delay.
    if (next == Next::retry) next = after_failure(failure, cursor());
  }
  // A checkpoint whose turn had not come. If the subscription has failed already, that is what it failed with.
  if (is_unsaved_) {
    if (auto status = save(); !status.ok() && result_.ok()) {
      fail({ErrorKind::cursor_store, status.error_code(), {}, "save: " + status.error_message(), {}});
    }
  }
  return result_;
}

Session::Next Session::follow(Failure& failure) {
  if (waiter_.stopped()) return end(Result::End::stopped);
  grpc::ClientContext context;
  Channel channel;
  auto status = connector_.open(options_.max_event_bytes + kReceiveHeadroom, channel);
  if (status.ok()) status = connector_.authorize(context);
  if (!status.ok()) {
    failure = read_failure(status);
    return Next::retry;
  }
  const Connected connected{cursor()};
  bool is_connected = false;
  auto limit = std::max(kFirstMessage, 2 * options_.heartbeat_interval);
  Stream stream{waiter_, channel, context, request()};
  for (;;) {
    switch (stream.read(Deadline::clock::now() + limit)) {
      case Stream::Read::stopped:
        return end(Result::End::stopped);
      case Stream::Read::silent:
        failure = silence(limit);
        return Next::retry;
      case Stream::Read::ended:
        failure = read_failure(stream.finish());
        if (failure.code == grpc::StatusCode::OK && options_.stop_when_caught_up) return end(Result::End::caught_up);
        return Next::retry;
      case Stream::Read::message:
        backoff_.reset();
        if (!std::exchange(is_connected, true) && options_.on_connected) options_.on_connected(connected);
        if (const auto next = take(stream.response()); next != Next::go_on) return next;
        limit = 2 * heartbeat_;
    }
  }
}

Session::Next Session::take(v1::SubscribeResponse& response) {
  for (auto& event : *response.mutable_events()) {
    if (waiter_.stopped()) return end(Result::End::stopped);
    if (const auto next = handle(event); next != Next::go_on) return next;
  }
  if (!response.has_checkpoint()) return Next::go_on;
  const auto& checkpoint = response.checkpoint();
  const milliseconds heartbeat{TimeUtil::DurationToMilliseconds(checkpoint.heartbeat_interval())};
  if (heartbeat.count() > 0) heartbeat_ = heartbeat;
  return keep(checkpoint.cursor(), Save::if_due);
}

Session::Next Session::handle(v1::Event& event) {
  if (options_.fetch_omitted && event.omitted().reason() == v1::OMITTED_REASON_TOO_LARGE) {
    if (const auto next = fetch(event); next != Next::go_on) return next;
  }
  if (auto status = handler_(event); !status.ok()) {
    return fail({ErrorKind::handler, status.error_code(), {}, status.error_message(), {}});
  }
  return keep(event.cursor(), Save::now);
}

Session::Next Session::fetch(v1::Event& event) {
  for (;;) {
    v1::GetEventResponse response;
    const auto status = try_fetch(event, response);
    if (waiter_.stopped()) return end(Result::End::stopped);
    if (status.ok()) {
      backoff_.reset();
      event.Swap(response.mutable_event());
      return Next::go_on;
    }
    const auto next = after_failure(read_failure(status), event.cursor());
    if (next != Next::retry) return next;
  }
}

// gRPC's receive limit belongs to the channel, so an event over the stream's limit needs a channel of its own.
grpc::Status Session::try_fetch(const v1::Event& stub, v1::GetEventResponse& response) {
  Channel channel;
  grpc::ClientContext context;
  auto status = connector_.open(stub.omitted().size_bytes() + kReceiveHeadroom, channel);
  if (status.ok()) status = connector_.authorize(context);
  if (!status.ok()) return status;
  v1::GetEventRequest request;
  request.set_cursor(stub.cursor());  // Not the sequence: a cursor is refused by a log that it is not of.
  request.set_include_raw_body(options_.include_raw_body);
  return get_event(waiter_, channel, context, request, Deadline::clock::now() + kFetch, response);
}

Session::Next Session::after_failure(const Failure& failure, const std::string& asked) {
  switch (classify(failure, !options_.token_file.empty())) {
    case Verdict::retry: {
      const auto delay = backoff_.next(failure.retry_delay);
      if (options_.on_lost) {
        options_.on_lost(Lost{failure.dead, failure.code, failure.reason, failure.message, delay});
      }
      return waiter_.sleep(delay) ? Next::retry : end(Result::End::stopped);
    }
    case Verdict::gap:
      return after_gap(failure, asked);
    case Verdict::message_too_large:
      return fail({ErrorKind::message_too_large, failure.code, {}, too_large(failure), {}});
    case Verdict::final:
      break;
  }
  return fail({ErrorKind::relay, failure.code, failure.reason, with_advice(failure), {}});
}

Session::Next Session::after_gap(const Failure& failure, const std::string& asked) {
  const Gap gap{failure.reason, asked, failure.earliest_cursor, failure.latest_cursor};
  auto decision = options_.on_gap ? options_.on_gap(gap) : GapDecision{Fail{}};
  if (std::holds_alternative<Fail>(decision)) {
    return fail({ErrorKind::gap, failure.code, failure.reason, failure.message, gap});
  }
  if (auto* after = std::get_if<After>(&decision)) {
    place_ = std::move(*after);
  } else if (std::holds_alternative<Earliest>(decision)) {
    place_ = Earliest{};
  } else {
    place_ = Latest{};
  }
  // Not saved: the store gets a cursor when the relay has confirmed the place with a checkpoint. And not at once: a
  // decision that leads to the same gap would be asked for without a pause.
  is_unsaved_ = false;
  return waiter_.sleep(backoff_.next(failure.retry_delay)) ? Next::reopen : end(Result::End::stopped);
}

Session::Next Session::keep(const std::string& cursor, Save when) {
  place_ = After{cursor};
  is_unsaved_ = cursor != saved_;
  const bool is_due = !saved_at_ || Deadline::clock::now() - *saved_at_ >= kCheckpointSaves;
  if (!is_unsaved_ || (when == Save::if_due && !is_due)) return Next::go_on;
  if (auto status = save(); !status.ok()) {
    return fail({ErrorKind::cursor_store, status.error_code(), {}, "save: " + status.error_message(), {}});
  }
  return Next::go_on;
}

grpc::Status Session::save() {
  auto cursor = this->cursor();
  auto status = store_.save(cursor);
  if (!status.ok()) return status;
  saved_ = std::move(cursor);
  saved_at_ = Deadline::clock::now();
  is_unsaved_ = false;
  return status;
}

Session::Next Session::end(Result::End how) {
  result_.end = how;
  return Next::end;
}

Session::Next Session::fail(Error error) {
  result_.error = std::move(error);
  return end(Result::End::failed);
}

v1::SubscribeRequest Session::request() const {
  v1::SubscribeRequest request;
  *request.mutable_filter() = options_.filter;
  if (const auto* after = std::get_if<After>(&place_)) {
    request.set_after_cursor(after->cursor);
  } else if (const auto* since = std::get_if<std::chrono::system_clock::time_point>(&place_)) {
    const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(since->time_since_epoch());
    *request.mutable_received_since() = TimeUtil::NanosecondsToTimestamp(since_epoch.count());
  } else {
    request.set_position(std::holds_alternative<Earliest>(place_) ? v1::START_POSITION_EARLIEST
                                                                  : v1::START_POSITION_LATEST);
  }
  request.set_include_raw_body(options_.include_raw_body);
  request.set_stop_when_caught_up(options_.stop_when_caught_up);
  *request.mutable_heartbeat_interval() = TimeUtil::MillisecondsToDuration(options_.heartbeat_interval.count());
  request.set_consumer(options_.consumer);
  request.set_max_event_bytes(options_.max_event_bytes);
  return request;
}

std::string Session::cursor() const {
  const auto* after = std::get_if<After>(&place_);
  return after ? after->cursor : std::string{};
}

}  // namespace smile_relay
