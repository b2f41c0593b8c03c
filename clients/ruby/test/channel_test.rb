# frozen_string_literal: true

require "tmpdir"
require_relative "helper"

class ChannelTest < Minitest::Test
  def options(**settings) = SmileRelay::Channel.options(SmileRelay::Settings.new(target: "relay:1", **settings))

  def test_a_socket_gets_an_authority_that_http2_servers_accept
    assert_equal "localhost", options(target: "unix:/run/r.sock")["grpc.default_authority"]
    refute_includes options, "grpc.default_authority"
  end

  def test_another_name_for_the_relay
    named = options(tls: { server_name: "relay.example.com" })
    assert_equal "relay.example.com", named["grpc.ssl_target_name_override"]
    assert_equal "relay.example.com", named["grpc.default_authority"]
  end

  def test_the_receive_limit_follows_max_event_bytes
    config = JSON.parse(options(max_event_bytes: 8 << 20)["grpc.service_config"])
    assert_equal 9 << 20, config["methodConfig"].first["maxResponseMessageBytes"]
  end

  def test_the_connections_own_backoff_has_the_same_maximum
    assert_equal 2500, options(backoff_max: 2.5)["grpc.max_reconnect_backoff_ms"]
  end
end

class TokenTest < Minitest::Test
  def with_token(content)
    Dir.mktmpdir do |directory|
      file = File.join(directory, "token")
      File.binwrite(file, content)
      yield file
    end
  end

  def test_the_token_is_read_anew_and_trimmed
    with_token(" one\n") do |file|
      assert_equal({ "authorization" => "Bearer one" }, SmileRelay::Token.metadata(file))
      File.write(file, "two\r\n")
      assert_equal({ "authorization" => "Bearer two" }, SmileRelay::Token.metadata(file))
    end
    assert_empty SmileRelay::Token.metadata(nil)
  end

  def test_a_token_that_cannot_be_sent_is_not_repeated_in_the_error
    ["", " \n", "s3cret\nmore", "s3cré", "s3cr\xFF"].each do |content|
      with_token(content) do |file|
        error = assert_raises(SmileRelay::SettingsError) { SmileRelay::Token.metadata(file) }
        assert_match "token_file", error.message
        refute_match "s3cr", error.message
      end
    end
  end

  def test_a_token_file_that_is_missing_at_the_start_is_an_error
    subscriber = SmileRelay::Subscriber.new(target: "unix:/none", token_file: "/no/such/token") { flunk }
    assert_match "token_file", assert_raises(SmileRelay::SettingsError) { subscriber.run }.message
  end
end
