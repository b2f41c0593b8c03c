#include "backoff.hpp"

#include <gtest/gtest.h>

namespace smile_relay {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr int kSeeds = 200;

TEST(Backoff, IsBetweenHalfAndTheWholeOfADoublingCeiling) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    Backoff backoff{100ms, 10s, static_cast<unsigned>(seed)};
    for (const milliseconds ceiling : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10000ms, 10000ms}) {
      const auto delay = backoff.next(0ms);
      EXPECT_GE(delay, ceiling / 2);
      EXPECT_LE(delay, ceiling);
    }
  }
}

TEST(Backoff, UsesTheWholeRange) {
  auto least = 1s + 0ms;
  auto most = 0ms;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto delay = Backoff{100ms, 10s, static_cast<unsigned>(seed)}.next(0ms);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_LT(least, 60ms);
  EXPECT_GT(most, 90ms);
}

TEST(Backoff, StartsAfreshWhenReset) {
  Backoff backoff{100ms, 10s, 1};
  for (int failure = 0; failure < 5; ++failure) backoff.next(0ms);
  backoff.reset();
  EXPECT_LE(backoff.next(0ms), 100ms);
}

TEST(Backoff, IsNeverBelowWhatTheRelayAskedFor) {
  Backoff backoff{100ms, 10s, 1};
  EXPECT_EQ(backoff.next(15s), 15s);
  EXPECT_LE(backoff.next(1ms), 200ms);
}

TEST(Backoff, KeepsTheMostAlsoWhenItIsNoPowerOfTwo) {
  Backoff backoff{100ms, 150ms, 1};
  for (int failure = 0; failure < 100; ++failure) EXPECT_LE(backoff.next(0ms), 150ms);
}

}  // namespace
}  // namespace smile_relay
