# frozen_string_literal: true

module SmileRelay
  # The loop that keeps a stream of events alive. In the order of an event's travel: open, receive, fetch what was
  # omitted, handle, save.
  #
  # @api private
  class Subscription
    # Seconds within which a stream has to begin, connecting included, unless two heartbeat intervals are longer.
    FIRST_MESSAGE = 10.0
    # A fetch gets a second more for as many bytes: it is a single message, so nothing shows that it is getting on.
    FETCH_BYTES_A_SECOND = 64 << 10
    private_constant :FIRST_MESSAGE, :FETCH_BYTES_A_SECOND

    def initialize(settings, waiting, handler:, cursors:, on_gap:, on_connection:)
      @settings = settings
      @waiting = waiting
      @handler = handler
      @cursors = cursors
      @on_gap = on_gap
      @on_connection = on_connection
      @start = settings.start
      @backoff = Backoff.new(settings.backoff_initial, settings.backoff_max)
      # A fetch that keeps failing has its own count: each new stream's first message would reset the other.
      @fetch_backoff = Backoff.new(settings.backoff_initial, settings.backoff_max)
      @gaps_in_a_row = 0
    end

    # Runs until it is stopped, caught up (if that was asked for) or fails.
    def run
      check_files
      @place = Place.new(@cursors)
      # No `loop`: that would take a StopIteration of the application's for its own.
      until caught_up?(status = attempt)
        @waiting.sleep(delay_after(status))
      end
      :caught_up
    rescue Stopped
      :stopped
    ensure
      @place&.flush
    end

    private

    # A file that is missing from the start is a mistake; later it is being replaced.
    def check_files
      @settings.tls&.credentials
      Token.metadata(@settings.token_file)
    end

    def caught_up?(status) = status.code == :OK && @settings.stop_when_caught_up

    # Reads one stream to its end. Returns the Status with which that came, and remembers the cursor that was asked for
    # and whose failure it was.
    def attempt
      @waiting.check
      @failing = @backoff
      start = @place.cursor || @start
      @asked = start.is_a?(String) ? start : ""
      stream = Stream.new(@settings, request(start), @waiting)
      read(stream)
    rescue SettingsError => e
      raise if stream # the handler's

      Status.new(:UNAVAILABLE, e.message)
    rescue Ended => e
      e.status
    ensure
      stream&.close
    end

    def read(stream)
      silence = first_message
      connected = false
      until (message = stream.receive(silence)) == :end
        return Status.new(nil, format("nothing came for %g s", silence)) if message.nil?

        @backoff.reset
        @gaps_in_a_row = 0
        tell(Connected.new(after: @asked.empty? ? nil : @asked)) unless connected
        connected = true
        message.events.each { |event| take(stream, event) }
        next unless (checkpoint = message.checkpoint)

        @place.checkpoint(checkpoint.cursor)
        silence = silence_after(checkpoint) || silence
      end
      Status.new(:OK, "the relay ended the stream")
    end

    def take(stream, event)
      @waiting.check
      event = fetch(stream, event) if @settings.fetch_omitted && event.omitted&.reason == :OMITTED_REASON_TOO_LARGE
      @handler.call(event)
      @place.handled(event.cursor)
    end

    def fetch(stream, stub)
      @failing = @fetch_backoff
      request = V1::GetEventRequest.new(cursor: stub.cursor, include_raw_body: @settings.include_raw_body)
      event = stream.get_event(request, first_message + (stub.omitted.size_bytes.to_f / FETCH_BYTES_A_SECOND))
      @fetch_backoff.reset
      @failing = @backoff
      event
    end

    # Decides what follows the end of a stream. Returns the seconds until the next attempt, or raises.
    def delay_after(status)
      case Verdict.of(status, has_token_file: !@settings.token_file.nil?)
      when :final then raise Verdict.final_error(status, @settings.max_event_bytes)
      when :gap then cross(Verdict.gap(status, @asked))
      else
        delay = @failing.next(at_least: status.retry_delay)
        tell(Lost.new(code: status.code, reason: status.reason, text: status.text, delay:))
        delay
      end
    end

    # Lets the application decide where to go on after a gap.
    def cross(gap)
      @start = Start.of(@on_gap&.call(gap), gap) || raise(GapError, gap)
      @place.forget
      @gaps_in_a_row += 1
      # An application that keeps naming a cursor which is gone must not make us hammer the relay.
      @gaps_in_a_row == 1 ? 0.0 : @backoff.next
    end

    def request(start)
      interval = @settings.heartbeat_interval.rationalize
      V1::SubscribeRequest.new(
        filter: @settings.filter,
        include_raw_body: @settings.include_raw_body,
        stop_when_caught_up: @settings.stop_when_caught_up,
        heartbeat_interval: { seconds: interval.floor, nanos: ((interval % 1) * 1_000_000_000).floor },
        consumer: @settings.consumer,
        max_event_bytes: @settings.max_event_bytes,
        **Start.field(start)
      )
    end

    def first_message = [FIRST_MESSAGE, 2.0 * @settings.heartbeat_interval].max

    # Seconds of silence that make a stream dead: two intervals, as the relay states them.
    def silence_after(checkpoint)
      interval = checkpoint.heartbeat_interval&.to_f
      2 * interval if interval&.positive?
    end

    def tell(notice)
      @on_connection&.call(notice.freeze)
    end
  end
end
