# frozen_string_literal: true

require "minitest/autorun"
require "minitest/mock"
require "smile_relay"

# Statuses as the relay sends them, and messages.
module Made
  V1 = SmileRelay::V1
  CODES = GRPC::Core::StatusCodes

  # The value of grpc-status-details-bin.
  def details(reason, domain: "smile-relay", retry_ms: nil, **metadata)
    parts = [Google::Rpc::ErrorInfo.new(reason:, domain:, metadata: metadata.transform_keys(&:to_s))]
    if retry_ms
      pause = Google::Protobuf::Duration.new(seconds: retry_ms / 1000, nanos: retry_ms % 1000 * 1_000_000)
      parts.unshift(Google::Rpc::RetryInfo.new(retry_delay: pause))
    end
    Google::Rpc::Status.encode(Google::Rpc::Status.new(details: parts.map { |part| Google::Protobuf::Any.pack(part) }))
  end

  def bad_status(code, trailer = nil)
    metadata = trailer ? { "grpc-status-details-bin" => trailer } : {}
    GRPC::BadStatus.new_status_exception(CODES.const_get(code), "scripted", metadata)
  end

  # An event whose cursor is "c" and its sequence.
  def event(sequence, **fields) = V1::Event.new(sequence:, cursor: "c#{sequence}", id: "id-#{sequence}", **fields)

  # A message of the stream.
  def response(*sequences, checkpoint: nil, heartbeat_ms: 15_000)
    made = V1::SubscribeResponse.new(events: sequences.map { |sequence| event(sequence) })
    if checkpoint
      interval = { seconds: heartbeat_ms / 1000, nanos: heartbeat_ms % 1000 * 1_000_000 }
      made.checkpoint = V1::Checkpoint.new(cursor: checkpoint, heartbeat_interval: interval)
    end
    made
  end
end
