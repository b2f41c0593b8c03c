// What can be set about a subscription.
#pragma once

#include <smilerelay/v1/event.pb.h>
#include <smilerelay/v1/service.pb.h>
#include <smile_relay/cursor_store.hpp>
#include <smile_relay/outcome.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace smile_relay {

/// The messages, as protoc generates them.
namespace v1 = ::smilerelay::v1;

/// Where to start if the cursor store holds nothing: at an end of the log, or with the first event received at or after
/// a time.
using Start = std::variant<Latest, Earliest, std::chrono::system_clock::time_point>;

/// TLS to the relay. The files are PEM, and read again for each connection.
struct Tls {
  /// The CAs to trust. Default: the system's.
  std::string ca_file{};
  /// The client's certificate chain and its key: both or none.
  std::string certificate_file{};
  std::string key_file{};
  /// The name that the relay's certificate has to be for. Default: the host of the target.
  std::string server_name{};
};

/// The settings of one subscription. Only `target` is needed. Every field has an initializer, so that C++20's
/// designated ones need not name them all.
struct Options {
  /// The relay's gRPC listener: "host:port" or "unix:/path".
  std::string target{};
  /// Default: plaintext, which the relay serves on loopback addresses and sockets.
  std::optional<Tls> tls{};
  /// A file with a token, sent as `authorization: Bearer ...`. Read again for each call, blanks around it are cut off.
  /// Only with TLS, a loopback address or a socket. Default: none.
  std::string token_file{};

  /// Which events to deliver. Default: every webhook.
  v1::EventFilter filter{};
  /// Where to start if the store holds no cursor. Default: the latest event.
  Start start = Latest{};
  /// Where the place is kept. Default (null): in the Subscriber's memory.
  std::shared_ptr<CursorStore> cursor_store{};
  /// A name for the relay's metrics and logs, at most 128 bytes. Default: none.
  std::string consumer{};

  /// Deliver the exact bytes and the signature that Smile sent as well.
  bool include_raw_body = false;
  /// End with Result::End::caught_up once everything is delivered that the log held when the stream opened.
  bool stop_when_caught_up = false;
  /// The longest silence of the relay: 1 s to 5 min. After two of them the stream is taken for dead.
  std::chrono::milliseconds heartbeat_interval{15'000};

  /// In bytes, at least 4,096. Larger events come as a stub with `omitted` set. The receive limit is this and 1 MiB.
  std::uint32_t max_event_bytes = 3 << 20;
  /// Fetch events that come omitted as too large (GetEvent), and hand them on whole, whatever their size.
  bool fetch_omitted = false;

  /// The delay before the first retry in a row, doubled for each that follows, up to the second.
  std::chrono::milliseconds backoff_initial{100};
  std::chrono::milliseconds backoff_max{10'000};

  /// Decides about a gap. Default: Fail.
  std::function<GapDecision(const Gap&)> on_gap{};
  /// Told what happens to the connection. Default: nobody is.
  std::function<void(const Connected&)> on_connected{};
  std::function<void(const Lost&)> on_lost{};
};

}  // namespace smile_relay
