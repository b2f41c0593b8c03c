# frozen_string_literal: true

module SmileRelay
  # Where a subscription begins without a place to resume from: `:latest`, `:earliest`, a Time, or, after a gap, a
  # cursor.
  #
  # @api private
  module Start
    POSITIONS = { latest: :START_POSITION_LATEST, earliest: :START_POSITION_EARLIEST }.freeze
    private_constant :POSITIONS

    module_function

    # @param answer what `on_gap` returned
    # @return [Symbol, String, nil] the start that it means; nil: fail
    # @raise [SettingsError] if it means nothing
    def of(answer, gap)
      case answer
      when :fail, nil then return nil
      when :earliest then return answer
      # The place that the application was told of: what came since is not skipped.
      when :latest then return gap.latest_cursor || answer
      when String then return answer unless answer.empty?
      end
      raise SettingsError, "on_gap: #{answer.inspect} is not :fail, :earliest, :latest or a cursor"
    end

    # @return [Hash] the field of a V1::SubscribeRequest for it
    def field(start)
      case start
      when String then { after_cursor: start }
      when Time then { received_since: Google::Protobuf::Timestamp.new(seconds: start.to_i, nanos: start.nsec) }
      else { position: POSITIONS.fetch(start) }
      end
    end
  end
end
