// The two calls to the relay, each on a connection of its own, waited for with a deadline and ended by the stop.
#pragma once

#include <smilerelay/v1/service.grpc.pb.h>

#include <memory>

#include "connector.hpp"
#include "waiter.hpp"

namespace smile_relay {

/// A Subscribe stream. When it goes out of scope, the call is cancelled and, with the channel, its connection closed.
class Stream {
 public:
  enum class Read { message, ended, silent, stopped };

  /// `context` has its metadata, and lives longer.
  Stream(Waiter& waiter, const Channel& channel, grpc::ClientContext& context, const v1::SubscribeRequest& request);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Waits until `deadline` for the next message (the first time, for the connection as well). After anything but a
  /// message there is no further one.
  [[nodiscard]] Read read(Deadline deadline);

  /// What the last `read` received, until the next.
  [[nodiscard]] v1::SubscribeResponse& response() { return response_; }

  /// How the stream ended, after Read::ended. Once.
  [[nodiscard]] grpc::Status finish();

 private:
  Read ended_by(Waiter::Wake wake);

  Waiter& waiter_;
  grpc::ClientContext& context_;
  /// Here, as a read that is given up still writes to it.
  v1::SubscribeResponse response_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::SubscribeResponse>> reader_;
  bool in_flight_ = true;
  bool is_open_ = false;
  bool is_finished_ = false;
};

/// GetEvent. CANCELLED if it was stopped, DEADLINE_EXCEEDED after `deadline`.
grpc::Status get_event(Waiter& waiter, const Channel& channel, grpc::ClientContext& context,
                       const v1::GetEventRequest& request, Deadline deadline, v1::GetEventResponse& response);

}  // namespace smile_relay
