#include "stop_signal.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>

#include "waiter.hpp"

namespace smile_relay {
namespace {

using namespace std::chrono_literals;

StopSignal* raised = nullptr;

TEST(StopSignal, WakesAWatchFromASignalHandler) {
  StopSignal stop;
  raised = &stop;
  std::signal(SIGUSR1, [](int) { raised->request(); });
  std::promise<void> called;
  const StopSignal::Watch watch{stop, [&called] { called.set_value(); }};
  std::raise(SIGUSR1);
  EXPECT_EQ(called.get_future().wait_for(30s), std::future_status::ready);
  EXPECT_TRUE(stop.requested());
  std::signal(SIGUSR1, SIG_DFL);
}

TEST(StopSignal, LetsAWatchEndWithoutAStop) {
  StopSignal stop;
  for (int time = 0; time < 3; ++time) {
    const StopSignal::Watch watch{stop, [] { ADD_FAILURE() << "nobody asked for it"; }};
  }
  EXPECT_FALSE(stop.requested());
}

TEST(StopSignal, NeverWaitsHoweverOftenItIsRequested) {
  StopSignal stop;
  for (int time = 0; time < 200'000; ++time) stop.request();
  EXPECT_TRUE(stop.requested());
}

TEST(Waiter, SleepsUntilItIsTimeOrStopped) {
  StopSignal stop;
  Waiter waiter{stop};
  EXPECT_TRUE(waiter.sleep(1ms));
  auto stopper = std::async(std::launch::async, [&stop] { stop.request(); });
  EXPECT_FALSE(waiter.sleep(1h));
  EXPECT_FALSE(waiter.sleep(1h)) << "a stop is for good";
}

}  // namespace
}  // namespace smile_relay
