# frozen_string_literal: true

module SmileRelay
  # Raised where the running thread waits, once the subscriber was stopped. Never leaves this package.
  #
  # @api private
  class Stopped < StandardError; end

  # The one place where the running thread waits, for whatever comes first: what it waits for, a time, or a stop.
  #
  # It never waits inside of grpc. Exceptions that Ruby raises into a waiting thread (Interrupt, Timeout, Thread#raise)
  # would leave a call's operation half done there; here, they do no harm.
  #
  # @api private
  class Waiting
    def initialize
      @lock = Mutex.new
      @changed = ConditionVariable.new
      @stopped = false
    end

    # Can be called from any thread, and from a signal handler. Those may not take a lock, which the very thread that
    # they interrupt could hold: so another thread does.
    def stop
      @stopped = true
      Thread.new { @lock.synchronize { @changed.broadcast } }
    end

    # @raise [Stopped]
    def check
      raise Stopped if @stopped
    end

    # Runs the block, in which something changes that the running thread may wait for.
    def change
      @lock.synchronize do
        yield
        @changed.broadcast
      end
    end

    # Waits until the block gives something.
    #
    # @param seconds [Numeric, nil] how long at most; nil: for ever
    # @return what the block gave; nil if it was too late
    # @raise [Stopped]
    def until(seconds)
      deadline = now + seconds if seconds
      @lock.synchronize do
        loop do
          check
          value = yield
          return value unless value.nil?

          left = deadline && (deadline - now)
          return nil if left && left <= 0

          @changed.wait(@lock, left)
        end
      end
    end

    # @raise [Stopped]
    def sleep(seconds)
      self.until(seconds) { nil }
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
