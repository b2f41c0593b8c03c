# frozen_string_literal: true

module SmileRelay
  # One stream, over a connection of its own, and the thread that reads it.
  #
  # @api private
  class Stream
    # Messages read while a handler is at work. Beyond that, the stream is held back by flow control.
    READ_AHEAD = 4

    # @param settings [Settings]
    # @param request [V1::SubscribeRequest]
    # @param waiting [Waiting]
    # @raise [SettingsError] if a file can't be used
    def initialize(settings, request, waiting)
      @settings = settings
      @waiting = waiting
      @inbox = []
      # A token for each message that may be read before another is taken.
      @room = Thread::Queue.new(Array.new(READ_AHEAD - 1))
      metadata = Token.metadata(settings.token_file)
      @channel = Channel.open(settings)
      @stub = V1::RelayService::Stub.new(nil, nil, channel_override: @channel)
      @operation = @stub.subscribe(request, metadata:, return_op: true)
      @reader = Thread.new { read }
    end

    # @param seconds [Numeric] how long at most
    # @return [V1::SubscribeResponse, :end, nil] the next message; :end at the end with OK; nil if nothing came in time
    # @raise [Ended, Stopped]
    def receive(seconds)
      item = @waiting.until(seconds) { @inbox.shift }
      @room << nil
      unwrap(item)
    end

    # Asks for one event over the same connection.
    #
    # @param request [V1::GetEventRequest]
    # @param seconds [Numeric] how long at most
    # @return [V1::Event]
    # @raise [Ended, Stopped]
    def get_event(request, seconds)
      metadata = token_metadata
      operation = @stub.get_event(request, deadline: Time.now + seconds, metadata:, return_op: true)
      answer = nil
      caller = Thread.new { attempt { operation.execute }.then { |item| @waiting.change { answer = item } } }
      unwrap(@waiting.until(nil) { answer }).event # The call has a deadline: it ends.
    ensure
      operation&.cancel
      caller&.join
    end

    # Cancels the stream and drops the connection.
    def close
      @room.close
      @operation.cancel
      @reader.join
      @channel.close
    end

    private

    def read
      result = attempt do
        @operation.execute.each do |message|
          @waiting.change { @inbox << message }
          # Without an operation under way, a call can be left at any time.
          break unless wait_for_room
        end
        :end
      end
      @waiting.change { @inbox << result }
    end

    # Returns false once the stream is closed.
    def wait_for_room
      @room.pop
      !@room.closed?
    end

    # What the block gives, or, if it fails, how: a Status if that is gRPC's doing.
    def attempt
      yield
    rescue GRPC::BadStatus => e
      Status.of(e)
    rescue GRPC::Core::CallError => e
      Status.new(:UNKNOWN, e.message)
    rescue StandardError => e
      e
    end

    def unwrap(item)
      case item
      when Status then raise Ended, item
      when Exception then raise item
      else item
      end
    end

    # The file was good at the start: it is being replaced.
    def token_metadata
      Token.metadata(@settings.token_file)
    rescue SettingsError => e
      raise Ended, Status.new(:UNAVAILABLE, e.message)
    end
  end
end
