#include "waiter.hpp"

#include <grpc/support/time.h>

namespace smile_relay {
namespace {

// gRPC's monotonic clock: a deadline on the wall clock would leap with it.
gpr_timespec in_grpc_time(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Deadline::clock::now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(left.count() + 1, GPR_TIMESPAN));
}

}  // namespace

Waiter::Waiter(StopSignal& stop) : stop_(stop) {
  watch_.emplace(stop, [this] { alarm_.Set(&queue_, gpr_now(GPR_CLOCK_MONOTONIC), &alarm_); });
}

Waiter::~Waiter() {
  watch_.reset();
  alarm_.Cancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

Waiter::Wake Waiter::wait(Deadline deadline) {
  const auto until = in_grpc_time(deadline);
  while (!stop_.requested()) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) return Wake::timeout;
    if (tag == this->tag()) return ok ? Wake::completed : Wake::failed;
    // Else it was the alarm, and the loop ends.
  }
  return Wake::stopped;
}

bool Waiter::settle() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    if (tag == this->tag()) return ok;
  }
  return false;
}

bool Waiter::sleep(std::chrono::milliseconds delay) { return wait(Deadline::clock::now() + delay) == Wake::timeout; }

}  // namespace smile_relay
