// How a subscription is told to stop, from another thread or from a signal handler.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <thread>

namespace smile_relay {

/// A flag, and a pipe that wakes whoever waits for it: storing to a lock-free atomic and write(2) are all that a signal
/// handler may do. Once requested, it stays so.
class StopSignal {
 public:
  StopSignal() noexcept;
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// False if the process could not open a pipe (too many files).
  [[nodiscard]] bool usable() const noexcept { return pipe_[0] >= 0; }

  /// Async-signal-safe.
  void request() noexcept;
  [[nodiscard]] bool requested() const noexcept { return requested_.load(); }

  /// Calls `on_stop`, on a thread of its own, when the stop is requested; until it is destroyed. One at a time.
  class Watch {
   public:
    Watch(StopSignal& stop, std::function<void()> on_stop);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    StopSignal& stop_;
    std::thread thread_;
  };

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not wait for a lock");

  void wake(char why) noexcept;

  std::atomic<bool> requested_{false};
  std::array<int, 2> pipe_{-1, -1};
};

}  // namespace smile_relay
