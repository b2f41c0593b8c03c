#include "smile_relay/subscriber.hpp"

#include <utility>

#include "session.hpp"

namespace smile_relay {

struct Subscriber::Parts {
  explicit Parts(Options given) : options(std::move(given)) {
    if (!options.cursor_store) options.cursor_store = std::make_shared<MemoryCursorStore>();
  }

  Options options;
  StopSignal stop;
};

Subscriber::Subscriber(Options options) : parts_(std::make_unique<Parts>(std::move(options))) {}

Subscriber::~Subscriber() = default;

Result Subscriber::run(const Handler& handler) {
  const auto& options = parts_->options;
  auto status = Connector{options}.check();
  if (status.ok() && !parts_->stop.usable()) {
    status = {grpc::StatusCode::INTERNAL, "can't open a pipe: too many open files"};
  }
  if (!status.ok()) {
    return {Result::End::failed, {ErrorKind::options, status.error_code(), {}, status.error_message(), {}}};
  }
  return Session{options, *options.cursor_store, parts_->stop, handler}.run();
}

void Subscriber::stop() noexcept { parts_->stop.request(); }

}  // namespace smile_relay
