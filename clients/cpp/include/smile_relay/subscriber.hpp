// The client of smile-relay: keeps a stream of events alive, and its place in the log.
#pragma once

#include <smile_relay/options.hpp>
#include <smile_relay/outcome.hpp>

#include <functional>
#include <memory>

namespace smile_relay {

/// Takes one event. OK: it is handled, and its cursor is kept. Anything else ends the subscription with
/// ErrorKind::handler, and the event comes again next time.
using Handler = std::function<grpc::Status(const v1::Event&)>;

/// One subscription.
///
/// This package throws nothing of its own (std::bad_alloc and std::system_error of a thread that can't be started
/// aside): what goes wrong is in the Result. What a handler, a cursor store or a callback throws passes through `run`
/// unchanged, after the stream was closed; an event whose handler throws is not kept.
class Subscriber {
 public:
  explicit Subscriber(Options options);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  /// Subscribes, and hands the events to `handler` on this thread, one at a time and in order, until it is stopped, has
  /// caught up (if asked to end there), or fails for good. Reconnects and resumes whenever it can. May be called again
  /// after it has failed; not by two threads at once.
  [[nodiscard]] Result run(const Handler& handler);

  /// Ends `run`, for good. From any thread, from the handler, or from a signal handler (it is async-signal-safe). An
  /// event that is being handled is handled to its end, and its cursor is kept.
  void stop() noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace smile_relay
