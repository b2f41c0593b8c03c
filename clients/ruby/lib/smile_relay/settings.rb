# frozen_string_literal: true

require "ipaddr"

module SmileRelay
  # What a subscription is told: where the relay is, what to deliver, from where on. Data only, checked when made.
  class Settings
    # 3 MiB: gRPC refuses messages over 4 MiB unless it is told otherwise.
    DEFAULT_MAX_EVENT_BYTES = 3 << 20

    HOST_AND_PORT = %r{\A(?:\[[^\[\]/]+\]|[^:/\[\]\s]+):(?<port>\d{1,5})\z}
    private_constant :HOST_AND_PORT

    attr_reader :target, :filter, :start, :tls, :token_file, :include_raw_body, :stop_when_caught_up,
                :heartbeat_interval, :consumer, :max_event_bytes, :fetch_omitted, :backoff_initial, :backoff_max

    # @param target [String] "host:port", or "unix:/path" for a socket
    # @param filter [V1::EventFilter, Hash, nil] which events to deliver; a Hash has the fields of V1::EventFilter, as
    #   in `{ types: [:EVENT_TYPE_TASK_FINISHED], user_ids: ["u1"] }`. Default: every webhook
    # @param start [:latest, :earliest, Time] where to begin when the cursor store is empty: with what comes from now
    #   on, with the oldest event kept, or with the first event received at or after a time. Otherwise it has no effect
    # @param tls [Tls, Hash, true, nil] a Hash has the keywords of {Tls#initialize}; true: with the system's
    #   authorities. Default: plaintext, which the relay serves on loopback addresses and sockets
    # @param token_file [String, nil] a file whose content is sent as `authorization: Bearer ...`; read again for each
    #   call. Only with `tls`, a loopback address or a socket. Default: none
    # @param include_raw_body [Boolean] deliver the exact bytes and the signature that Smile sent as well
    # @param stop_when_caught_up [Boolean] end once everything is delivered that the log held when the stream opened
    # @param heartbeat_interval [Numeric] seconds, 1 to 300. The relay is never silent for longer; after twice as long
    #   the stream is taken for dead
    # @param consumer [String] a name for the relay's metrics and logs, at most 128 bytes. Not an identity
    # @param max_event_bytes [Integer] a larger event comes `omitted`. 4,096 or more. The receive limit of the channel
    #   is 1 MiB above it
    # @param fetch_omitted [Boolean] fetch an event that comes omitted as TOO_LARGE, and hand on the whole of it
    # @param backoff_initial [Numeric] seconds: the longest delay before the first attempt to reconnect. It doubles with
    #   each failure in a row
    # @param backoff_max [Numeric] seconds: the longest delay between attempts to reconnect, unless the relay asks for
    #   more
    # @raise [SettingsError] for what can't work
    def initialize(target:, filter: nil, start: :latest, tls: nil, token_file: nil, include_raw_body: false,
                   stop_when_caught_up: false, heartbeat_interval: 15, consumer: "",
                   max_event_bytes: DEFAULT_MAX_EVENT_BYTES, fetch_omitted: false,
                   backoff_initial: 0.1, backoff_max: 10)
      @target = target
      @filter = made(V1::EventFilter, filter, "filter")
      @start = start
      @tls = made(Tls, tls == true ? {} : tls, "tls")
      @token_file = token_file
      @include_raw_body = include_raw_body
      @stop_when_caught_up = stop_when_caught_up
      @heartbeat_interval = heartbeat_interval
      @consumer = consumer
      @max_event_bytes = max_event_bytes
      @fetch_omitted = fetch_omitted
      @backoff_initial = backoff_initial
      @backoff_max = backoff_max
      check
      freeze
    end

    # @return [Boolean] whether the target is a Unix socket
    def unix? = target.start_with?("unix:")

    # @return [Boolean] whether what is sent to the target stays on this machine: a Unix socket or a loopback address
    def local?
      return true if unix?

      host = target.rpartition(":").first.delete("[]")
      host == "localhost" || IPAddr.new(host).loopback?
    rescue IPAddr::Error
      false
    end

    private

    def made(type, value, name)
      case value
      when nil, type then value
      when Hash then type.new(**value)
      else raise SettingsError, "#{name}: a #{type} or a Hash is expected"
      end
    rescue ArgumentError, TypeError, RangeError => e
      raise SettingsError, "#{name}: #{e.message}"
    end

    def check
      check_target
      require_setting("token_file", "sent only over TLS, to a loopback address or to a Unix socket; set tls") do
        token_file.nil? || tls || local?
      end
      require_setting("start", ":latest, :earliest or a Time") do
        %i[latest earliest].include?(start) || start.is_a?(Time)
      end
      require_setting("heartbeat_interval", "from 1 to 300 seconds") { heartbeat_interval.between?(1, 300) }
      require_setting("consumer", "at most 128 bytes") { consumer.bytesize <= 128 }
      require_setting("max_event_bytes", "from 4,096 to 1 MiB less than 2 GiB") do
        max_event_bytes.between?(4096, (1 << 31) - (1 << 20) - 1)
      end
      require_setting("backoff_initial", "more than 0, and at most backoff_max") do
        backoff_initial.positive? && backoff_initial <= backoff_max
      end
    end

    def check_target
      require_setting("target", "a String is expected") { target.is_a?(String) }
      return require_setting("target", "unix: needs the path of a socket") { target != "unix:" } if unix?

      what = "#{target.inspect} is neither host:port nor unix:/path; an IPv6 address stands in brackets"
      require_setting("target", what) { target[HOST_AND_PORT, :port].to_i.between?(1, 65_535) }
    end

    def require_setting(name, what)
      raise SettingsError, "#{name}: #{what}" unless yield
    rescue NoMethodError, ArgumentError # of another type than expected
      raise SettingsError, "#{name}: #{what}"
    end
  end
end
