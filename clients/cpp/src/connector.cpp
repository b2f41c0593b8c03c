#include "connector.hpp"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

namespace smile_relay {
namespace {

constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// What the relay may send while the handler is busy: 16 of the messages of 64 KiB in which it catches up.
constexpr int kReadAheadBytes = 1 << 20;

grpc::Status invalid(const std::string& message) { return {grpc::StatusCode::INVALID_ARGUMENT, message}; }

// gRPC's settings are ints.
int as_int(std::uint64_t number) {
  return static_cast<int>(std::min<std::uint64_t>(number, std::numeric_limits<int>::max()));
}

bool is_socket(std::string_view target) { return target.rfind("unix:", 0) == 0; }

// The host of "host:port" or "[v6]:port"; nothing if it is neither.
std::optional<std::string_view> host_of(std::string_view target) {
  const auto colon = target.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const auto port = target.substr(colon + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return std::nullopt;
  auto host = target.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  if (host.find_first_of(":/[] ") != std::string_view::npos) return std::nullopt;
  return host;
}

// By name only: an address that a resolver gives could be any.
bool is_loopback(std::string_view host) {
  const auto is_v4 = host.rfind("127.", 0) == 0 && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host == "::1" || is_v4;
}

bool stays_on_this_machine(std::string_view target) {
  return is_socket(target) || is_loopback(host_of(target).value_or(""));
}

grpc::Status read_file(const std::string& path, std::string& content) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream all;
  // An empty file sets failbit on `all`, a directory badbit on `file`.
  if (!file || (all << file.rdbuf(), file.bad())) {
    return {grpc::StatusCode::UNAVAILABLE, "can't read " + path};
  }
  content = all.str();
  return grpc::Status::OK;
}

grpc::Status read_pem(const char* option, const std::string& path, std::string& content) {
  content.clear();
  if (path.empty()) return grpc::Status::OK;
  auto status = read_file(path, content);
  if (status.ok() && content.find("-----BEGIN ") == std::string::npos) {
    status = {grpc::StatusCode::UNAVAILABLE, path + " is not PEM"};
  }
  if (status.ok()) return status;
  return {status.error_code(), std::string{"tls."} + option + ": " + status.error_message()};
}

grpc::Status read_tls(const Tls& tls, grpc::SslCredentialsOptions& pem) {
  auto status = read_pem("ca_file", tls.ca_file, pem.pem_root_certs);
  if (status.ok()) status = read_pem("certificate_file", tls.certificate_file, pem.pem_cert_chain);
  if (status.ok()) status = read_pem("key_file", tls.key_file, pem.pem_private_key);
  return status;
}

// gRPC ends the process when it is given a header with other characters than these.
bool can_be_sent(std::string_view token) {
  return !token.empty() && std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
}

grpc::Status read_token(const std::string& path, std::string& token) {
  std::string content;
  if (auto status = read_file(path, content); !status.ok()) {
    return {grpc::StatusCode::UNAUTHENTICATED, "token_file: " + status.error_message()};
  }
  constexpr auto kBlanks = " \t\r\n";
  const auto first = content.find_first_not_of(kBlanks);
  if (first != std::string::npos) token = content.substr(first, content.find_last_not_of(kBlanks) - first + 1);
  if (can_be_sent(token)) return grpc::Status::OK;
  return {grpc::StatusCode::UNAUTHENTICATED, "token_file: " + path + " holds no token of printable ASCII on one line"};
}

}  // namespace

grpc::Status Connector::check() const {
  const auto& target = options_.target;
  if (is_socket(target) ? target == "unix:" : !host_of(target)) {
    return invalid("target: \"" + target + "\" is neither host:port nor unix:/path");
  }
  if (options_.tls) {
    if (options_.tls->certificate_file.empty() != options_.tls->key_file.empty()) {
      return invalid("tls: certificate_file and key_file go together");
    }
    grpc::SslCredentialsOptions pem;
    if (auto status = read_tls(*options_.tls, pem); !status.ok()) return invalid(status.error_message());
  }
  if (!options_.token_file.empty()) {
    if (!options_.tls && !stays_on_this_machine(target)) {
      return invalid("token_file: a token is not sent in plaintext to " + target +
                     ": set tls, or use a loopback address or a Unix socket");
    }
    std::string token;
    if (auto status = read_token(options_.token_file, token); !status.ok()) return invalid(status.error_message());
  }
  if (options_.heartbeat_interval.count() <= 0) return invalid("heartbeat_interval: 1 s to 5 min");
  if (options_.backoff_initial.count() <= 0) return invalid("backoff_initial: it has to be more than 0");
  if (options_.backoff_max < options_.backoff_initial) return invalid("backoff_max: it is less than backoff_initial");
  return grpc::Status::OK;
}

grpc::Status Connector::open(std::uint64_t receive_limit, Channel& channel) const {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(as_int(receive_limit));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // gRPC would raise it, by what it measures of the network, to many times as much.
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kReadAheadBytes);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // As many as it takes: a quiet stream sends nothing else.
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Channels with the same arguments share a connection otherwise: also a dead one, and with other subscriptions.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Retrying is this package's, and this channel is for one attempt.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, as_int(static_cast<std::uint64_t>(options_.backoff_max.count())));
  if (stays_on_this_machine(options_.target)) args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // gRPC would send the socket's path as :authority, which the relay's HTTP/2 refuses.
  if (is_socket(options_.target)) args.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");

  auto credentials = grpc::InsecureChannelCredentials();
  if (options_.tls) {
    grpc::SslCredentialsOptions pem;
    if (auto status = read_tls(*options_.tls, pem); !status.ok()) return status;
    credentials = grpc::SslCredentials(pem);
    if (!options_.tls->server_name.empty()) args.SetSslTargetNameOverride(options_.tls->server_name);
  }
  channel = grpc::CreateCustomChannel(options_.target, credentials, args);
  return grpc::Status::OK;
}

grpc::Status Connector::authorize(grpc::ClientContext& context) const {
  if (options_.token_file.empty()) return grpc::Status::OK;
  std::string token;
  if (auto status = read_token(options_.token_file, token); !status.ok()) return status;
  context.AddMetadata("authorization", "Bearer " + token);
  return grpc::Status::OK;
}

}  // namespace smile_relay
