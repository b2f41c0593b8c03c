// The one place where a subscription waits: for an operation of gRPC, for time to pass, or for the stop.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <chrono>
#include <optional>

#include "stop_signal.hpp"

namespace smile_relay {

using Deadline = std::chrono::steady_clock::time_point;

/// A completion queue with at most one operation in flight, driven by the thread that waits on it. That makes a silent
/// stream a plain timeout of the wait (the time that the handler takes is never part of it), and needs no lock.
class Waiter {
 public:
  enum class Wake { completed, failed, timeout, stopped };

  explicit Waiter(StopSignal& stop);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// Where operations are to be started, and the tag that they are to carry.
  [[nodiscard]] grpc::CompletionQueue* queue() { return &queue_; }
  [[nodiscard]] void* tag() { return this; }

  /// Waits for the operation in flight, which goes on after a timeout or a stop: cancel it then, and `settle`.
  [[nodiscard]] Wake wait(Deadline deadline);

  /// Waits for the operation in flight to complete, which it does at once if it is cancelled or its status is there.
  /// True if it succeeded.
  bool settle();

  /// False if it was ended by the stop.
  [[nodiscard]] bool sleep(std::chrono::milliseconds delay);

  [[nodiscard]] bool stopped() const { return stop_.requested(); }

 private:
  StopSignal& stop_;
  grpc::CompletionQueue queue_;
  grpc::Alarm alarm_;
  // Ends before the queue is shut down: it may set the alarm until then.
  std::optional<StopSignal::Watch> watch_;
};

}  // namespace smile_relay
