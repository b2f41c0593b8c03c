# frozen_string_literal: true

module SmileRelay
  # What follows from the end of a stream.
  #
  # @api private
  module Verdict
    # nil is a dead stream.
    TRANSIENT = [nil, :OK, :UNAVAILABLE, :UNKNOWN, :INTERNAL, :ABORTED, :CANCELLED, :DEADLINE_EXCEEDED].freeze
    GAPS = {
      OUT_OF_RANGE: %w[CURSOR_EXPIRED],
      FAILED_PRECONDITION: %w[CURSOR_FOREIGN_LOG CURSOR_DIVERGED CURSOR_AHEAD]
    }.freeze
    FROM_THE_LIBRARY = %i[RESOURCE_EXHAUSTED OUT_OF_RANGE].freeze
    private_constant :TRANSIENT, :GAPS, :FROM_THE_LIBRARY

    module_function

    # @param status [Status]
    # @param has_token_file [Boolean] UNAUTHENTICATED can pass then: the file may be replaced any time
    # @return [:retry, :gap, :final]
    def of(status, has_token_file:)
      return :retry if TRANSIENT.include?(status.code)
      return :retry if status.code == :RESOURCE_EXHAUSTED && status.from_relay?
      return :retry if status.code == :UNAUTHENTICATED && has_token_file
      return :gap if GAPS[status.code]&.include?(status.reason)

      :final
    end

    # @return [Gap] what a status judged as one tells of
    def gap(status, asked)
      Gap.new(
        code: status.code, reason: status.reason, asked:, text: status.text,
        earliest_cursor: status.metadata["earliest_cursor"], latest_cursor: status.metadata["latest_cursor"]
      ).freeze
    end

    # @return [SubscriptionError] for a status judged as final
    def final_error(status, max_event_bytes)
      text = status.text
      if FROM_THE_LIBRARY.include?(status.code) && !status.from_relay?
        text += " (the message is over gRPC's receive limit: raise max_event_bytes, now #{max_event_bytes}; " \
                "it sets both the request's max_event_bytes and the channel's grpc.max_receive_message_length)"
      end
      SubscriptionError.new(code: status.code, reason: status.reason, text:)
    end
  end
end
