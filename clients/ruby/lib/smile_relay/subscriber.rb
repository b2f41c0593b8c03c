# frozen_string_literal: true

module SmileRelay
  # Subscribes to a relay's events, over and over, until it is stopped or something fails for good.
  #
  #   subscriber = SmileRelay::Subscriber.new(target: "127.0.0.1:50051") { |event| puts event.type_name }
  #   trap("TERM") { subscriber.stop }
  #   subscriber.run
  #
  # Make it anywhere, before a fork as well; no thread and no connection is made before {#run}.
  class Subscriber
    # Each event is given to the block, one at a time and in order; when that has returned, the event's cursor is saved.
    # An error that it raises ends the subscription, and the event comes again next time.
    #
    # Everything is called on the thread that runs it: the block, the cursor store, and both callbacks.
    #
    # @param cursors [#load, #save] where the place is kept, see {MemoryCursorStore}, {FileCursorStore}. Default: in
    #   memory
    # @param on_gap [#call, nil] is given a {Gap} when events are missing, and answers where to go on: `:earliest`,
    #   `:latest` or a cursor; `:fail` or nil: it ends with a {GapError}. Default: that
    # @param on_connection [#call, nil] is told {Connected} and {Lost}, never of contents. An error that it raises ends
    #   the subscription
    # @param settings the keywords of {Settings#initialize}; `target` is needed
    # @yieldparam event [V1::Event]
    # @raise [SettingsError] for settings that can't work
    def initialize(cursors: MemoryCursorStore.new, on_gap: nil, on_connection: nil, **settings, &handler)
      raise ArgumentError, "a block is needed that handles the events" unless handler
      unless cursors.respond_to?(:load) && cursors.respond_to?(:save)
        raise SettingsError, "cursors: an object with load and save is expected"
      end

      @waiting = Waiting.new
      @subscription = Subscription.new(Settings.new(**settings), @waiting, handler:, cursors:, on_gap:, on_connection:)
      @started = false
    end

    # Blocks while the subscription lasts; once for each Subscriber.
    #
    # Whatever ends it, the cursor of what was handled is saved.
    #
    # @return [Symbol] `:stopped`; `:caught_up` if everything was delivered that was there (`stop_when_caught_up`)
    # @raise [GapError] if `on_gap` did not say where to go on
    # @raise [SubscriptionError] if the relay answered what trying again does not change
    # @raise [SettingsError] if a file named in the settings can't be used
    # @raise what the block, the store or a callback raised
    def run
      raise Error, "a Subscriber runs once; make another one" if @started

      @started = true
      @subscription.run
    end

    # Makes {#run} return `:stopped`: after the block, if it is at work, at once otherwise.
    #
    # Can be called from any thread, from the block, and from a signal handler; also before {#run}, and again.
    #
    # @return [void]
    def stop
      @waiting.stop
      nil
    end
  end
end
