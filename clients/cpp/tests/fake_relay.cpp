#include "fake_relay.hpp"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <thread>
#include <utility>

namespace smile_relay {
namespace {

void add(details::Status& status, const std::string& type, const std::string& value) {
  auto* any = status.add_details();
  any->set_type_url("type.googleapis.com/google.rpc." + type);
  any->set_value(value);
}

}  // namespace

RelayStatus::RelayStatus(grpc::StatusCode code, const std::string& reason, const std::string& domain) : code_(code) {
  info_.set_reason(reason);
  info_.set_domain(domain);
}

RelayStatus& RelayStatus::with(const std::string& key, const std::string& value) {
  (*info_.mutable_metadata())[key] = value;
  return *this;
}

RelayStatus& RelayStatus::retry_after(std::int64_t seconds, int nanos) {
  retry_.mutable_retry_delay()->set_seconds(seconds);
  retry_.mutable_retry_delay()->set_nanos(nanos);
  return *this;
}

grpc::Status RelayStatus::build() const {
  details::Status status;
  status.set_code(code_);
  add(status, "ErrorInfo", info_.SerializeAsString());
  if (retry_.has_retry_delay()) add(status, "RetryInfo", retry_.SerializeAsString());
  return {code_, "as the test says", status.SerializeAsString()};
}

std::string cursor_of(std::uint64_t sequence) { return "c-" + std::to_string(sequence); }

void FakeRelay::Stream::event(std::uint64_t sequence) {
  v1::Event event;
  event.set_sequence(sequence);
  event.set_cursor(cursor_of(sequence));
  this->event(event);
}

void FakeRelay::Stream::event(const v1::Event& event) {
  v1::SubscribeResponse response;
  *response.add_events() = event;
  writer_.Write(response);
}

void FakeRelay::Stream::checkpoint(std::uint64_t sequence, std::chrono::milliseconds heartbeat) {
  v1::SubscribeResponse response;
  auto& checkpoint = *response.mutable_checkpoint();
  checkpoint.set_cursor(cursor_of(sequence));
  *checkpoint.mutable_heartbeat_interval() =
      google::protobuf::util::TimeUtil::MillisecondsToDuration(heartbeat.count());
  writer_.Write(response);
}

grpc::Status FakeRelay::Stream::fall_silent() {
  while (!context_.IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  return grpc::Status::CANCELLED;
}

FakeRelay::FakeRelay(const std::string& address) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  target_ = address.rfind("unix:", 0) == 0 ? address : "127.0.0.1:" + std::to_string(port);
}

FakeRelay::~FakeRelay() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

FakeRelay& FakeRelay::then(OnStream on_stream) {
  const std::lock_guard lock{mutex_};
  streams_.push_back(std::move(on_stream));
  return *this;
}

FakeRelay& FakeRelay::then_get_event(OnGetEvent on_get_event) {
  const std::lock_guard lock{mutex_};
  get_events_.push_back(std::move(on_get_event));
  return *this;
}

std::vector<v1::SubscribeRequest> FakeRelay::requests() {
  const std::lock_guard lock{mutex_};
  return requests_;
}

std::vector<v1::GetEventRequest> FakeRelay::get_event_requests() {
  const std::lock_guard lock{mutex_};
  return get_event_requests_;
}

std::vector<std::string> FakeRelay::peers() {
  const std::lock_guard lock{mutex_};
  return peers_;
}

std::vector<std::string> FakeRelay::authorities() {
  const std::lock_guard lock{mutex_};
  return authorities_;
}

std::vector<std::string> FakeRelay::authorizations() {
  const std::lock_guard lock{mutex_};
  return authorizations_;
}

void FakeRelay::note(const grpc::ServerContext& context) {
  peers_.push_back(context.peer());
  const auto authority = context.ExperimentalGetAuthority();
  authorities_.emplace_back(authority.data(), authority.size());
  const auto found = context.client_metadata().find("authorization");
  authorizations_.push_back(found == context.client_metadata().end()
                                ? std::string{}
                                : std::string{found->second.data(), found->second.size()});
}

grpc::Status FakeRelay::Subscribe(grpc::ServerContext* context, const v1::SubscribeRequest* request,
                                  grpc::ServerWriter<v1::SubscribeResponse>* writer) {
  OnStream on_stream = [](Stream&) {
    return grpc::Status{grpc::StatusCode::INVALID_ARGUMENT, "the test did not expect another stream"};
  };
  {
    const std::lock_guard lock{mutex_};
    note(*context);
    requests_.push_back(*request);
    if (!streams_.empty()) {
      on_stream = std::move(streams_.front());
      streams_.pop_front();
    }
  }
  Stream stream{*context, *writer};
  return on_stream(stream);
}

grpc::Status FakeRelay::GetEvent(grpc::ServerContext* context, const v1::GetEventRequest* request,
                                 v1::GetEventResponse* response) {
  OnGetEvent on_get_event = [](v1::Event&) {
    return grpc::Status{grpc::StatusCode::INVALID_ARGUMENT, "the test did not expect GetEvent"};
  };
  {
    const std::lock_guard lock{mutex_};
    note(*context);
    get_event_requests_.push_back(*request);
    if (!get_events_.empty()) {
      on_get_event = std::move(get_events_.front());
      get_events_.pop_front();
    }
  }
  return on_get_event(*response->mutable_event());
}

}  // namespace smile_relay
