// The loop that keeps a stream of events alive.
#pragma once

#include <chrono>
#include <optional>
#include <variant>

#include "backoff.hpp"
#include "call.hpp"
#include "connector.hpp"
#include "failure.hpp"
#include "smile_relay/subscriber.hpp"
#include "waiter.hpp"

namespace smile_relay {

/// One run of a subscription.
class Session {
 public:
  Session(const Options& options, CursorStore& store, StopSignal& stop, const Handler& handler)
      : options_(options),
        store_(store),
        handler_(handler),
        connector_(options),
        waiter_(stop),
        backoff_(options.backoff_initial, options.backoff_max) {}

  Result run();

 private:
  /// Where the next stream starts.
  using Place = std::variant<Latest, Earliest, std::chrono::system_clock::time_point, After>;

  /// What to do after something has happened.
  enum class Next {
    go_on,   // as if nothing had
    retry,   // the same call again: it has failed, and if there is a delay, it is over
    reopen,  // the stream: place_ has changed
    end,     // with result_
  };

  /// Opens a stream and follows it until something is to be done. Next::retry: it ended with `failure`.
  Next follow(Failure& failure);
  Next take(v1::SubscribeResponse& response);
  Next handle(v1::Event& event);
  /// Replaces a stub by the whole event.
  Next fetch(v1::Event& event);
  grpc::Status try_fetch(const v1::Event& stub, v1::GetEventResponse& response);

  /// `asked`: the cursor of the call that failed.
  Next after_failure(const Failure& failure, const std::string& asked);
  Next after_gap(const Failure& failure, const std::string& asked);

  enum class Save { now, if_due };
  /// Makes a cursor the place to resume from, and gives it to the store.
  Next keep(const std::string& cursor, Save when);
  grpc::Status save();

  Next end(Result::End how);
  Next fail(Error error);

  [[nodiscard]] v1::SubscribeRequest request() const;
  /// Of place_; empty if it is not After.
  [[nodiscard]] std::string cursor() const;

  const Options& options_;
  CursorStore& store_;
  const Handler& handler_;
  Connector connector_;
  Waiter waiter_;
  Backoff backoff_;

  Place place_;
  /// What the store holds.
  std::string saved_;
  std::optional<Deadline> saved_at_;
  /// A cursor was kept that the store does not hold yet.
  bool is_unsaved_ = false;
  /// As the relay's last checkpoint states it.
  std::chrono::milliseconds heartbeat_ = options_.heartbeat_interval;
  Result result_;
};

}  // namespace smile_relay
