// What a call that failed means: the table of codes, from the client's side.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>

#include "smile_relay/outcome.hpp"

namespace smile_relay {

/// A call that ended, with the details that steer what comes next.
struct Failure {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  /// The reason of an ErrorInfo of the relay's domain; empty if there is none.
  std::string reason;
  std::string earliest_cursor;
  std::string latest_cursor;
  /// Of RetryInfo; 0 if there is none.
  std::chrono::milliseconds retry_delay{0};
  /// Nothing was received for too long: this package's own verdict.
  bool dead = false;
};

/// Reads the details out of a status.
[[nodiscard]] Failure read_failure(const grpc::Status& status);

enum class Verdict { retry, gap, message_too_large, final };

/// What to do about a failure. `token_may_change`: a token file is set, so that UNAUTHENTICATED may pass.
[[nodiscard]] Verdict classify(const Failure& failure, bool token_may_change);

/// What a person can do about a final code; empty if the relay's message is all there is to say.
[[nodiscard]] std::string advice(grpc::StatusCode code);

}  // namespace smile_relay
