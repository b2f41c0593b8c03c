// A relay within the test: it answers each call as the test says.
#pragma once

#include <grpcpp/server.h>
#include <smilerelay/v1/service.grpc.pb.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "smile_relay/options.hpp"
#include "status_details.pb.h"

namespace smile_relay {

/// A status as the relay makes it.
class RelayStatus {
 public:
  RelayStatus(grpc::StatusCode code, const std::string& reason, const std::string& domain = "smile-relay");
  RelayStatus& with(const std::string& key, const std::string& value);
  RelayStatus& retry_after(std::int64_t seconds, int nanos);
  [[nodiscard]] grpc::Status build() const;

 private:
  grpc::StatusCode code_;
  details::ErrorInfo info_;
  details::RetryInfo retry_;
};

/// The cursor of what has this sequence.
std::string cursor_of(std::uint64_t sequence);

class FakeRelay final : public v1::RelayService::Service {
 public:
  /// What one stream does: it is answered with the status when the function returns.
  class Stream {
   public:
    Stream(grpc::ServerContext& context, grpc::ServerWriter<v1::SubscribeResponse>& writer)
        : context_(context), writer_(writer) {}
    void event(std::uint64_t sequence);
    void event(const v1::Event& event);
    void checkpoint(std::uint64_t sequence, std::chrono::milliseconds heartbeat = std::chrono::seconds{15});
    /// Says nothing more until the client has gone.
    grpc::Status fall_silent();

   private:
    grpc::ServerContext& context_;
    grpc::ServerWriter<v1::SubscribeResponse>& writer_;
  };
  using OnStream = std::function<grpc::Status(Stream&)>;
  using OnGetEvent = std::function<grpc::Status(v1::Event&)>;

  /// Serves at `address`: a free port of its own if none is given.
  explicit FakeRelay(const std::string& address = "127.0.0.1:0");
  ~FakeRelay() override;

  [[nodiscard]] std::string target() const { return target_; }

  /// The next stream that is not spoken for. One that nobody has spoken for ends with INVALID_ARGUMENT.
  FakeRelay& then(OnStream on_stream);
  FakeRelay& then_get_event(OnGetEvent on_get_event);

  /// Of all calls so far, in order.
  std::vector<v1::SubscribeRequest> requests();
  std::vector<v1::GetEventRequest> get_event_requests();
  std::vector<std::string> peers();
  std::vector<std::string> authorities();
  std::vector<std::string> authorizations();

 private:
  grpc::Status Subscribe(grpc::ServerContext* context, const v1::SubscribeRequest* request,
                         grpc::ServerWriter<v1::SubscribeResponse>* writer) override;
  grpc::Status GetEvent(grpc::ServerContext* context, const v1::GetEventRequest* request,
                        v1::GetEventResponse* response) override;
  void note(const grpc::ServerContext& context);

  std::mutex mutex_;
  std::deque<OnStream> streams_;
  std::deque<OnGetEvent> get_events_;
  std::vector<v1::SubscribeRequest> requests_;
  std::vector<v1::GetEventRequest> get_event_requests_;
  std::vector<std::string> peers_;
  std::vector<std::string> authorities_;
  std::vector<std::string> authorizations_;
  std::string target_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace smile_relay
