# frozen_string_literal: true

module SmileRelay
  # The delays between attempts: random between half and the whole of what doubles with each failure in a row, so that
  # the subscribers of a relay that was restarted don't all come back at the same moment.
  #
  # @api private
  class Backoff
    # @param initial [Numeric] seconds
    # @param longest [Numeric] seconds
    # @param random [#rand]
    def initialize(initial, longest, random: Random)
      @initial = initial.to_f
      @longest = longest.to_f
      @random = random
      reset
    end

    # @param at_least [Numeric] seconds that the relay asks for
    # @return [Float] seconds to wait after one more failure
    def next(at_least: 0.0)
      whole = @whole
      @whole = [whole * 2, @longest].min
      [at_least, @random.rand((whole / 2)..whole)].max
    end

    # Something worked: count afresh.
    def reset
      @whole = @initial
    end
  end
end
