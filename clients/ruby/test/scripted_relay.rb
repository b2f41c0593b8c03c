# frozen_string_literal: true

require_relative "helper"

# Serves one script a stream, the last one again and again. Remembers what it was asked.
class ScriptedRelay < SmileRelay::V1::RelayService::Service
  include Made

  attr_reader :target, :requests, :peers, :metadata

  # Serves while the block runs.
  def self.serve(*scripts)
    relay = new(scripts)
    relay.start
    yield relay
  ensure
    relay.stop
  end

  def initialize(scripts)
    super()
    @scripts = scripts
    @requests = []
    @peers = []
    @metadata = []
    @finished = Thread::Queue.new
  end

  def start
    @server = GRPC::RpcServer.new(pool_size: 8)
    @target = "127.0.0.1:#{@server.add_http2_port("127.0.0.1:0", :this_port_is_insecure)}"
    @server.handle(self)
    @thread = Thread.new { @server.run }
    @server.wait_till_running
  end

  def stop
    @finished.close
    @server.stop
    @thread.join
  end

  def subscribe(request, call)
    script = @scripts[[@requests.size, @scripts.size - 1].min]
    @requests << request
    @peers << call.peer
    @metadata << call.metadata
    Enumerator.new do |out|
      script.messages.each { |message| out << message }
      script.end_with(@finished)
    end
  end

  def get_event(request, _call)
    V1::GetEventResponse.new(event: event(request.cursor.delete_prefix("c").to_i, raw_body: "x" * (6 << 20)))
  end

  # What one stream brings, and how it ends: with an error, with OK, or not at all.
  Script = Struct.new(:messages, :ending) do
    def end_with(finished)
      raise ending if ending.is_a?(Exception)

      finished.pop if ending == :never
    end
  end

  # Making scripts.
  module Scripts
    include Made

    # Sends these, and then nothing until the relay is stopped.
    def sends(*messages) = Script.new(messages, :never)

    # Sends these, and then an error.
    def fails(code, *messages, trailer: nil) = Script.new(messages, bad_status(code, trailer))

    # Sends these, and then ends with OK.
    def ends(*messages) = Script.new(messages, :ok)
  end
end
