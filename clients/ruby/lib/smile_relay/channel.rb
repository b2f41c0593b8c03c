# frozen_string_literal: true

require "json"

module SmileRelay
  # How a channel to the relay is made.
  #
  # Every attempt gets a channel of its own. A connection that is dead, or that waits in gRPC's own backoff, is thus
  # never taken up again: closing the channel is the one way grpc has to drop one.
  #
  # @api private
  module Channel
    KEEPALIVE_MS = 30_000
    KEEPALIVE_TIMEOUT_MS = 10_000
    READ_AHEAD_BYTES = 1 << 20
    # What a message may hold beside its one large event.
    ABOVE_MAX_EVENT_BYTES = 1 << 20
    private_constant :KEEPALIVE_MS, :KEEPALIVE_TIMEOUT_MS, :READ_AHEAD_BYTES, :ABOVE_MAX_EVENT_BYTES

    module_function

    # @param settings [Settings]
    # @return [GRPC::Core::Channel] not connected yet
    # @raise [SettingsError] if a file can't be used
    def open(settings)
      credentials = settings.tls ? settings.tls.credentials : :this_channel_is_insecure
      GRPC::Core::Channel.new(settings.target, options(settings), credentials)
    end

    # @return [Hash{String => String, Integer}] gRPC's channel arguments
    def options(settings)
      backoff_ms = [(settings.backoff_max * 1000).to_i, 1].max
      {
        "grpc.primary_user_agent" => "smile-relay-client-ruby/#{VERSION} grpc-ruby/#{GRPC::VERSION}",
        # The stream has its limit by the service config. GetEvent shares the connection and asks for one large event.
        "grpc.max_receive_message_length" => -1,
        "grpc.service_config" => service_config(settings.max_event_bytes + ABOVE_MAX_EVENT_BYTES),
        "grpc.keepalive_time_ms" => KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms" => KEEPALIVE_TIMEOUT_MS,
        # Newer versions of grpc wait for as long as this instead, a minute by default.
        "grpc.http2.ping_timeout_ms" => KEEPALIVE_TIMEOUT_MS,
        "grpc.http2.max_pings_without_data" => 0,
        # What a slow handler has not taken waits at the relay: left to itself, grpc reads tens of megabytes ahead.
        "grpc.http2.bdp_probe" => 0,
        "grpc.http2.lookahead_bytes" => READ_AHEAD_BYTES,
        # Without it, channels of one process share connections, and a new channel gets the dead one back.
        "grpc.use_local_subchannel_pool" => 1,
        "grpc.initial_reconnect_backoff_ms" => [backoff_ms, 1000].min,
        "grpc.max_reconnect_backoff_ms" => backoff_ms,
        **authority(settings),
        **(settings.local? ? { "grpc.enable_http_proxy" => 0 } : {})
      }
    end

    def authority(settings)
      name = settings.tls&.server_name
      return { "grpc.ssl_target_name_override" => name, "grpc.default_authority" => name } if name

      # gRPC would send the socket's path as :authority, which HTTP/2 servers refuse with PROTOCOL_ERROR.
      settings.unix? ? { "grpc.default_authority" => "localhost" } : {}
    end
    private_class_method :authority

    def service_config(limit)
      subscribe = { service: V1::RelayService::Service.service_name, method: "Subscribe" }
      JSON.generate(methodConfig: [{ name: [subscribe], maxResponseMessageBytes: limit }])
    end
    private_class_method :service_config
  end
end
