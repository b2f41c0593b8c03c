# frozen_string_literal: true

module SmileRelay
  # Where a subscription stands, and when the store is told. Moves only over what has been handled.
  #
  # @api private
  class Place
    # Seconds. A replay has thousands of checkpoints, and each save may be an fsync.
    CHECKPOINTS_APART = 1.0

    # @return [String, nil] resume after it; nil: at the start
    attr_reader :cursor

    # @param cursors [#load, #save] the cursor store
    # @param clock [#call] gives seconds
    def initialize(cursors, clock: -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) })
      @cursors = cursors
      @clock = clock
      @cursor = @saved = cursors.load
      @saved_at = -Float::INFINITY
    end

    # An event was handled: this is its cursor.
    def handled(cursor)
      @cursor = cursor
      save
    end

    # Everything before this cursor was handled or filtered out. Saved at once, or with the next one.
    def checkpoint(cursor)
      @cursor = cursor
      flush if @clock.call - @saved_at >= CHECKPOINTS_APART
    end

    # Saves what is not saved yet.
    def flush
      save if @cursor && @cursor != @saved
    end

    # The log can't be read on from here. The store keeps what it has until there is a new place.
    def forget
      @cursor = nil
    end

    private

    def save
      @cursors.save(@cursor)
      @saved = @cursor
      @saved_at = @clock.call
    end
  end
end
