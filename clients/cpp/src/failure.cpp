#include "failure.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "status_details.pb.h"

namespace smile_relay {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kDomain = "smile-relay";
// A delay beyond this is a mistake, and would overflow what it is added to.
constexpr std::int64_t kMaxRetrySeconds = 24 * 3600;

// "type.googleapis.com/google.rpc.ErrorInfo": what counts is what follows the last slash.
bool is_type(const details::Any& any, std::string_view name) {
  const std::string_view url = any.type_url();
  const auto slash = url.rfind('/');
  return slash != std::string_view::npos && url.substr(slash + 1) == name;
}

std::string value_or_empty(const details::ErrorInfo& info, const char* key) {
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? std::string{} : found->second;
}

bool is_gap(const Failure& failure) {
  if (failure.code == grpc::StatusCode::OUT_OF_RANGE) return failure.reason == "CURSOR_EXPIRED";
  return failure.code == grpc::StatusCode::FAILED_PRECONDITION &&
         (failure.reason == "CURSOR_FOREIGN_LOG" || failure.reason == "CURSOR_DIVERGED" ||
          failure.reason == "CURSOR_AHEAD");
}

}  // namespace

Failure read_failure(const grpc::Status& status) {
  Failure failure;
  failure.code = status.error_code();
  failure.message = status.error_message();
  details::Status all;
  if (!all.ParseFromString(status.error_details())) return failure;
  for (const auto& any : all.details()) {
    details::ErrorInfo info;
    details::RetryInfo retry;
    if (is_type(any, "google.rpc.ErrorInfo") && info.ParseFromString(any.value()) && info.domain() == kDomain) {
      failure.reason = info.reason();
      failure.earliest_cursor = value_or_empty(info, "earliest_cursor");
      failure.latest_cursor = value_or_empty(info, "latest_cursor");
    } else if (is_type(any, "google.rpc.RetryInfo") && retry.ParseFromString(any.value())) {
      const auto seconds = std::clamp<std::int64_t>(retry.retry_delay().seconds(), 0, kMaxRetrySeconds);
      const auto nanos = std::clamp<std::int64_t>(retry.retry_delay().nanos(), 0, 999'999'999);
      failure.retry_delay = milliseconds{seconds * 1000 + (nanos + 999'999) / 1'000'000};
    }
  }
  return failure;
}

Verdict classify(const Failure& failure, bool token_may_change) {
  if (is_gap(failure)) return Verdict::gap;
  switch (failure.code) {
    case grpc::StatusCode::OK:  // The relay ends no stream without being asked to, but what stands between may.
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Verdict::retry;
    case grpc::StatusCode::UNAUTHENTICATED:
      return token_may_change ? Verdict::retry : Verdict::final;
    // Without a reason of the relay's these two come from the gRPC library.
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return failure.reason.empty() ? Verdict::message_too_large : Verdict::retry;
    case grpc::StatusCode::OUT_OF_RANGE:
      return failure.reason.empty() ? Verdict::message_too_large : Verdict::final;
    default:
      return Verdict::final;
  }
}

std::string advice(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNAUTHENTICATED:
      return "the relay wants to know who calls: set token_file, or a client certificate in tls";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "the relay does not grant this to the caller: ask whoever configures it";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "what answers at the target does not serve smilerelay.v1.RelayService: is it the relay's gRPC listener?";
    default:
      return {};
  }
}

}  // namespace smile_relay
