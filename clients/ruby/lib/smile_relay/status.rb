# frozen_string_literal: true

require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "google/rpc/status_pb"

module SmileRelay
  # How a stream or a call ended, read from a gRPC error: the code, and what the relay says in the status's details.
  #
  # @api private
  class Status
    DOMAIN = "smile-relay"
    DETAILS = "grpc-status-details-bin"
    CODES = GRPC::Core::StatusCodes.constants.to_h { |name| [GRPC::Core::StatusCodes.const_get(name), name] }.freeze
    private_constant :DOMAIN, :DETAILS, :CODES

    # @return [Symbol, nil] nil: it was dead, and we gave it up
    attr_reader :code
    # @return [String] for people
    attr_reader :text
    # @return [String] the relay's own name for it; empty if it gave none
    attr_reader :reason
    # @return [Hash{String => String}] the ErrorInfo's
    attr_reader :metadata
    # @return [Float] seconds that the relay asks to wait
    attr_reader :retry_delay

    # @param error [GRPC::BadStatus]
    def self.of(error)
      info = Google::Rpc::ErrorInfo.new
      pause = Google::Protobuf::Duration.new
      details(error).each do |detail|
        info = detail.unpack(Google::Rpc::ErrorInfo) || info
        pause = detail.unpack(Google::Rpc::RetryInfo)&.retry_delay || pause
      end
      new(CODES.fetch(error.code, :UNKNOWN), error.details.to_s, info:, retry_delay: pause.to_f)
    end

    def self.details(error)
      Array(error.metadata[DETAILS]).flat_map { |trailer| Google::Rpc::Status.decode(trailer).details.to_a }
    rescue Google::Protobuf::ParseError
      [] # A proxy's, perhaps. The code and the message still say what happened.
    end
    private_class_method :details

    # @param info [Google::Rpc::ErrorInfo, nil]
    def initialize(code, text = "", info: nil, retry_delay: 0.0)
      @code = code
      @text = text
      @from_relay = info&.domain == DOMAIN
      @reason = from_relay? ? info.reason : ""
      @metadata = from_relay? ? info.metadata.to_h : {}
      @retry_delay = [0.0, retry_delay].max
    end

    # @return [Boolean] whether it has an ErrorInfo of the relay's domain. Without one it may come from the gRPC library
    #   or a proxy
    def from_relay? = @from_relay
  end

  # A stream or a call has ended, in a way that is still to be judged. Never leaves this package.
  #
  # @api private
  class Ended < StandardError
    # @return [Status]
    attr_reader :status

    def initialize(status)
      super(status.text)
      @status = status
    end
  end
end
