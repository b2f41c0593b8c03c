# frozen_string_literal: true

require "grpc"
require "smilerelay/v1/service_services_pb"

require_relative "smile_relay/version"
require_relative "smile_relay/errors"
require_relative "smile_relay/notices"
require_relative "smile_relay/tls"
require_relative "smile_relay/settings"
require_relative "smile_relay/cursor_stores"
require_relative "smile_relay/status"
require_relative "smile_relay/verdict"
require_relative "smile_relay/backoff"
require_relative "smile_relay/place"
require_relative "smile_relay/start"
require_relative "smile_relay/waiting"
require_relative "smile_relay/token"
require_relative "smile_relay/channel"
require_relative "smile_relay/stream"
require_relative "smile_relay/subscription"
require_relative "smile_relay/subscriber"

# Subscribes to the events of a smile-relay.
#
#   cursors = SmileRelay::FileCursorStore.new("cursor")
#   SmileRelay.subscribe(target: "127.0.0.1:50051", cursors:, stop_on: %w[TERM INT]) do |event|
#     puts event.type_name
#   end
#
# The messages are in {SmileRelay::V1}, generated from the relay's protos.
module SmileRelay
  # Runs a {Subscriber}: calls the block for one event after the other, until something ends it.
  #
  # Beside what is named here it takes all keywords of {Subscriber#initialize} and {Settings#initialize}. `break` in the
  # block ends it, too; the event of that call is not kept then, and comes again next time.
  #
  # @param stop_on [Array<String>] signals that stop it while it runs, such as "TERM"; their handlers are put back
  # @yieldparam event [V1::Event]
  # @return [Symbol] `:stopped` or `:caught_up`
  # @raise as {Subscriber#run}
  def self.subscribe(stop_on: [], **options, &block)
    # By its name: Ruby 3.1.2, which is Debian 12's, does not hand on a block without one beside keywords.
    subscriber = Subscriber.new(**options, &block)
    before = {}
    stop_on.each { |signal| before[signal] = trap(signal) { subscriber.stop } }
    subscriber.run
  ensure
    # What was not set from Ruby is nil.
    before&.each { |signal, handler| trap(signal, handler || "SYSTEM_DEFAULT") }
  end
end
