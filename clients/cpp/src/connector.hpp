// Connections to the relay: where to, how secured, as whom.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <memory>

#include "smile_relay/options.hpp"

namespace smile_relay {

using Channel = std::shared_ptr<grpc::Channel>;

/// Opens channels as the options say. Every one is a connection of its own.
class Connector {
 public:
  explicit Connector(const Options& options) : options_(options) {}

  /// INVALID_ARGUMENT, with what to change, if the options can't be used: also if a file of theirs can't be read.
  [[nodiscard]] grpc::Status check() const;

  /// A new channel that takes messages up to `receive_limit` bytes. Fails if a file of Options::tls can't be read now.
  grpc::Status open(std::uint64_t receive_limit, Channel& channel) const;

  /// Adds the token, if there is one, read anew. UNAUTHENTICATED if the file holds none that can be sent.
  grpc::Status authorize(grpc::ClientContext& context) const;

 private:
  const Options& options_;
};

}  // namespace smile_relay
