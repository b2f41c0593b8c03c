# frozen_string_literal: true

module SmileRelay
  # All errors of this package. Those of a handler or a cursor store are passed on as they are.
  class Error < StandardError; end

  # Settings that can't work, or a file named in them that can't be read. The message names the setting.
  class SettingsError < Error; end

  # The relay, or something before it, answered what trying again does not change.
  class SubscriptionError < Error
    # @return [Symbol] the status code, such as `:INVALID_ARGUMENT`
    attr_reader :code
    # @return [String] the relay's own name for it, as in service.proto; empty if it gave none
    attr_reader :reason
    # @return [String] what to know about it, for people
    attr_reader :text

    # @api private
    def initialize(code:, reason:, text:)
      super(reason.empty? ? "#{code}: #{text}" : "#{code} (#{reason}): #{text}")
      @code = code
      @reason = reason
      @text = text
    end
  end

  # The log can't be read on from the cursor that was asked for: events would be missing, or it is not that log.
  #
  # - `code`: `:OUT_OF_RANGE` if retention removed events that were not read, `:FAILED_PRECONDITION` if the log is not
  #   the one that was read
  # - `reason`: "CURSOR_EXPIRED", "CURSOR_FOREIGN_LOG", "CURSOR_DIVERGED" or "CURSOR_AHEAD"
  # - `asked`: the cursor that was asked for
  # - `earliest_cursor`: the place before the oldest event held; nil if the relay didn't say
  # - `latest_cursor`: the place after the newest event; nil if the relay didn't say
  # - `text`: the relay's words
  Gap = Struct.new(:code, :reason, :asked, :earliest_cursor, :latest_cursor, :text, keyword_init: true)

  # `on_gap` (by default: there is none) decided that the subscription ends at a gap.
  class GapError < SubscriptionError
    # @return [Gap] what was asked for, and what there is
    attr_reader :gap

    # @api private
    def initialize(gap)
      super(code: gap.code, reason: gap.reason, text: "#{gap.text} (decide with on_gap where to go on)")
      @gap = gap
    end
  end
end
