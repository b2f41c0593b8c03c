# frozen_string_literal: true

require_relative "lib/smile_relay/version"

Gem::Specification.new do |spec|
  spec.name = "smile-relay"
  spec.version = SmileRelay::VERSION
  spec.summary = "Subscribes to the events of a smile-relay"
  spec.description = "Subscribes to the events of a smile-relay: reconnects, resumes, and says when events are missing."
  spec.authors = ["smile-relay"]
  spec.homepage = "https://github.com/smile-relay/smile-relay/tree/main/clients/ruby"
  spec.required_ruby_version = ">= 3.1"

  messages = Dir["lib/smilerelay/v1/*_pb.rb", base: __dir__]
  raise "the messages are missing: rake generate" if messages.empty?

  spec.files = messages + Dir["lib/*.rb", "lib/smile_relay/*.rb", "example/*.rb", "README.md", base: __dir__]

  spec.add_dependency "googleapis-common-protos-types", "~> 1.4"
  # The messages are written by protoc 3.21, in a form that google-protobuf has read up to 3.25.
  spec.add_dependency "google-protobuf", "~> 3.21"
  spec.add_dependency "grpc", "~> 1.51"

  spec.metadata["rubygems_mfa_required"] = "true"
end
