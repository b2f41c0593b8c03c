// What a subscription tells its application: how it ended, and what happens on the way.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>
#include <variant>

namespace smile_relay {

/// Before the oldest event that the log still holds.
struct Earliest {};

/// After the newest event: only what comes from now on.
struct Latest {};

/// After this cursor, taken from an event or a checkpoint of this log.
struct After {
  std::string cursor;
};

/// The subscription ends with ErrorKind::gap.
struct Fail {};

/// Events are missing between the place to resume from and what the log holds, or the log is another one.
struct Gap {
  /// CURSOR_EXPIRED: retention removed events that were not read. CURSOR_FOREIGN_LOG, CURSOR_DIVERGED or CURSOR_AHEAD:
  /// it is not the log that was read.
  std::string reason;
  /// The cursor that was asked for.
  std::string asked;
  /// The place before the oldest event held; empty if the relay did not say.
  std::string earliest_cursor;
  /// The place after the newest event; empty if the relay did not say.
  std::string latest_cursor;
};

/// Where to go on after a gap.
using GapDecision = std::variant<Fail, Earliest, Latest, After>;

/// What a subscription ended with.
enum class ErrorKind {
  /// An option can't be used. `message` names it.
  options,
  /// The relay refuses the request, and would refuse it again.
  relay,
  /// A message is larger than the receive limit. `message` names the settings to raise.
  message_too_large,
  /// Events are missing, and the gap handler (or the lack of one) said to end. `gap` holds what is known.
  gap,
  /// The handler returned an error: `code` and `message` are its own. The event comes again next time.
  handler,
  /// The cursor store returned an error: `code` and `message` are its own.
  cursor_store,
};

/// Why a subscription failed.
struct Error {
  ErrorKind kind = ErrorKind::relay;
  /// gRPC's code.
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  /// The relay's reason, as in the table of codes in service.proto; empty if it gave none.
  std::string reason;
  /// For people: what is wrong and, where this package knows, what to do.
  std::string message;
  /// Set if `kind` is ErrorKind::gap.
  std::optional<Gap> gap;

  /// Code, reason and message in one line, without anything from an event.
  [[nodiscard]] std::string describe() const;
};

/// How a subscription ended.
struct Result {
  enum class End {
    /// Subscriber::stop was called.
    stopped,
    /// Everything was delivered that the log held (Options::stop_when_caught_up).
    caught_up,
    /// See `error`.
    failed,
  };

  End end = End::stopped;
  /// Means something only if `end` is End::failed.
  Error error;

  /// True unless the subscription failed.
  [[nodiscard]] bool ok() const { return end != End::failed; }
};

/// A stream is open: its first message was received.
struct Connected {
  /// The cursor resumed from; empty if the stream began at Options::start, or where a gap decision said.
  std::string after;
};

/// A stream, or an attempt to open one, or to fetch an event, has ended, and will be repeated.
struct Lost {
  /// Nothing was received for two heartbeat intervals. `code` is then DEADLINE_EXCEEDED.
  bool dead = false;
  /// gRPC's code; OK if the relay ended the stream without a reason.
  grpc::StatusCode code = grpc::StatusCode::OK;
  /// The relay's reason: DRAINING, STREAM_AGE, TOO_MANY_STREAMS... Empty if it gave none.
  std::string reason;
  /// For people.
  std::string message;
  /// How long this package waits before the next attempt.
  std::chrono::milliseconds delay{0};
};

/// gRPC's name of a code: "UNAVAILABLE".
[[nodiscard]] std::string code_name(grpc::StatusCode code);

}  // namespace smile_relay
