#include "call.hpp"

namespace smile_relay {

Stream::Stream(Waiter& waiter, const Channel& channel, grpc::ClientContext& context,
               const v1::SubscribeRequest& request)
    : waiter_(waiter),
      context_(context),
      reader_(v1::RelayService::Stub{channel}.AsyncSubscribe(&context, request, waiter.queue(), waiter.tag())) {}

Stream::~Stream() {
  if (is_finished_) return;
  context_.TryCancel();
  if (in_flight_) waiter_.settle();
  grpc::Status ignored;
  reader_->Finish(&ignored, waiter_.tag());
  waiter_.settle();
}

Stream::Read Stream::read(Deadline deadline) {
  if (!is_open_) {
    const auto wake = waiter_.wait(deadline);
    if (wake != Waiter::Wake::completed) return ended_by(wake);
    is_open_ = true;
  }
  reader_->Read(&response_, waiter_.tag());
  in_flight_ = true;
  const auto wake = waiter_.wait(deadline);
  if (wake != Waiter::Wake::completed) return ended_by(wake);
  in_flight_ = false;
  return Read::message;
}

Stream::Read Stream::ended_by(Waiter::Wake wake) {
  if (wake == Waiter::Wake::stopped) return Read::stopped;
  if (wake == Waiter::Wake::timeout) return Read::silent;
  in_flight_ = false;
  return Read::ended;
}

grpc::Status Stream::finish() {
  grpc::Status status;
  reader_->Finish(&status, waiter_.tag());
  waiter_.settle();
  is_finished_ = true;
  return status;
}

grpc::Status get_event(Waiter& waiter, const Channel& channel, grpc::ClientContext& context,
                       const v1::GetEventRequest& request, Deadline deadline, v1::GetEventResponse& response) {
  v1::RelayService::Stub stub{channel};
  const auto reader = stub.AsyncGetEvent(&context, request, waiter.queue());
  grpc::Status status;
  reader->Finish(&response, &status, waiter.tag());
  const auto wake = waiter.wait(deadline);
  if (wake == Waiter::Wake::completed || wake == Waiter::Wake::failed) return status;
  context.TryCancel();
  waiter.settle();
  return wake == Waiter::Wake::stopped ? grpc::Status{grpc::StatusCode::CANCELLED, "stopped"}
                                       : grpc::Status{grpc::StatusCode::DEADLINE_EXCEEDED, "no answer to GetEvent"};
}

}  // namespace smile_relay
