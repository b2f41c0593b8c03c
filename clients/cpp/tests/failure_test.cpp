#include "failure.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "fake_relay.hpp"
#include "status_details.pb.h"

namespace smile_relay {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

Verdict verdict(StatusCode code, const std::string& reason, bool token_may_change = false) {
  Failure failure;
  failure.code = code;
  failure.reason = reason;
  return classify(failure, token_may_change);
}

grpc::Status retry_after(std::int64_t seconds, int nanos) {
  return RelayStatus{StatusCode::UNAVAILABLE, "DRAINING"}.retry_after(seconds, nanos).build();
}

TEST(Failure, HoldsWhatTheRelaySays) {
  const auto failure = read_failure(RelayStatus{StatusCode::OUT_OF_RANGE, "CURSOR_EXPIRED"}
                                        .with("earliest_cursor", "e")
                                        .with("latest_cursor", "l")
                                        .build());
  EXPECT_EQ(failure.code, StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(failure.reason, "CURSOR_EXPIRED");
  EXPECT_EQ(failure.earliest_cursor, "e");
  EXPECT_EQ(failure.latest_cursor, "l");
  EXPECT_EQ(failure.retry_delay, 0ms);
}

TEST(Failure, IgnoresTheReasonOfAnotherDomain) {
  const auto failure = read_failure(RelayStatus{StatusCode::OUT_OF_RANGE, "CURSOR_EXPIRED", "example.com"}.build());
  EXPECT_EQ(failure.reason, "");
  EXPECT_EQ(classify(failure, false), Verdict::message_too_large);
}

TEST(Failure, IgnoresDetailsThatAreNone) {
  const auto failure = read_failure({StatusCode::UNAVAILABLE, "away", "\xff not a Status"});
  EXPECT_EQ(failure.message, "away");
  EXPECT_EQ(failure.reason, "");
}

TEST(Failure, ReadsRetryInfoRoundedUp) {
  EXPECT_EQ(read_failure(retry_after(1, 0)).retry_delay, 1s);
  EXPECT_EQ(read_failure(retry_after(0, 1)).retry_delay, 1ms);
  EXPECT_EQ(read_failure(retry_after(2, 500'000'000)).retry_delay, 2500ms);
}

TEST(Failure, BoundsRetryInfo) {
  EXPECT_EQ(read_failure(retry_after(-5, -1)).retry_delay, 0ms);
  EXPECT_LE(read_failure(retry_after(std::numeric_limits<std::int64_t>::max(), 0)).retry_delay, 24h);
}

TEST(Classify, RetriesWhatPasses) {
  for (const auto code : {StatusCode::OK, StatusCode::UNAVAILABLE, StatusCode::UNKNOWN, StatusCode::INTERNAL,
                          StatusCode::ABORTED, StatusCode::CANCELLED, StatusCode::DEADLINE_EXCEEDED}) {
    EXPECT_EQ(verdict(code, ""), Verdict::retry) << code;
  }
  EXPECT_EQ(verdict(StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"), Verdict::retry);
  EXPECT_EQ(verdict(StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_STARTS"), Verdict::retry);
}

TEST(Classify, RetriesUnauthenticatedOnlyIfTheTokenMayChange) {
  EXPECT_EQ(verdict(StatusCode::UNAUTHENTICATED, "", true), Verdict::retry);
  EXPECT_EQ(verdict(StatusCode::UNAUTHENTICATED, "", false), Verdict::final);
}

TEST(Classify, TellsGapsByTheirReason) {
  EXPECT_EQ(verdict(StatusCode::OUT_OF_RANGE, "CURSOR_EXPIRED"), Verdict::gap);
  for (const auto* reason : {"CURSOR_FOREIGN_LOG", "CURSOR_DIVERGED", "CURSOR_AHEAD"}) {
    EXPECT_EQ(verdict(StatusCode::FAILED_PRECONDITION, reason), Verdict::gap) << reason;
  }
}

TEST(Classify, TakesALibrarysOwnLimitForAMessageThatIsTooLarge) {
  EXPECT_EQ(verdict(StatusCode::RESOURCE_EXHAUSTED, ""), Verdict::message_too_large);
  EXPECT_EQ(verdict(StatusCode::OUT_OF_RANGE, ""), Verdict::message_too_large);
}

TEST(Classify, EndsWithEverythingElse) {
  for (const auto code : {StatusCode::INVALID_ARGUMENT, StatusCode::PERMISSION_DENIED, StatusCode::NOT_FOUND,
                          StatusCode::UNIMPLEMENTED, StatusCode::FAILED_PRECONDITION, StatusCode::DATA_LOSS}) {
    EXPECT_EQ(verdict(code, ""), Verdict::final) << code;
  }
  EXPECT_EQ(verdict(StatusCode::FAILED_PRECONDITION, "SOMETHING_NEW"), Verdict::final);
  EXPECT_EQ(verdict(StatusCode::OUT_OF_RANGE, "SOMETHING_NEW"), Verdict::final);
}

}  // namespace
}  // namespace smile_relay
