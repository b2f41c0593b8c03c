# frozen_string_literal: true

require_relative "helper"

class SettingsTest < Minitest::Test
  def settings(**settings) = SmileRelay::Settings.new(target: "relay:1", **settings)

  def assert_refused(name, &)
    assert_match name, assert_raises(SmileRelay::SettingsError, &).message
  end

  def test_targets
    ["127.0.0.1:50051", "relay.example.com:443", "[::1]:50051", "unix:/run/r.sock"].each do |target|
      assert_equal target, SmileRelay::Settings.new(target:).target
    end
  end

  def test_wrong_targets
    wrong = ["", "relay", "relay:", ":50051", "relay:0", "relay:65536", "::1:50051", "http://relay:1", "unix:", nil, 1]
    wrong.each { |target| assert_refused("target") { SmileRelay::Settings.new(target:) } }
  end

  def test_wrong_settings_are_named
    {
      start: [:now, "latest", nil],
      heartbeat_interval: [0.9, 301, nil, "15"],
      max_event_bytes: [4095, 1 << 31],
      consumer: ["é" * 65, nil],
      backoff_initial: [0, 11],
      filter: [{ types: [:EVENT_TYPE_NO_SUCH] }, { kinds: [] }, { user_ids: 5 }, "all"],
      tls: [{ ca: "file" }, "ca.pem"]
    }.each do |name, values|
      values.each { |value| assert_refused(/\A#{name}: /) { settings(name => value) } }
    end
  end

  def test_a_filter_is_a_message_or_a_hash_of_its_fields
    filter = SmileRelay::V1::EventFilter.new(types: [:EVENT_TYPE_TASK_FINISHED], user_ids: ["u1"])
    assert_equal filter, settings(filter:).filter
    assert_equal filter, settings(filter: { types: [:EVENT_TYPE_TASK_FINISHED], user_ids: ["u1"] }).filter
  end

  def test_a_token_goes_in_plaintext_only_where_it_stays_on_the_machine
    ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/s"].each do |target|
      assert_predicate SmileRelay::Settings.new(target:, token_file: "t"), :local?
    end
    ["relay:1", "10.0.0.1:1", "localhost.example.com:1"].each do |target|
      assert_refused("token_file") { SmileRelay::Settings.new(target:, token_file: "t") }
      assert_equal "t", SmileRelay::Settings.new(target:, token_file: "t", tls: true).token_file
    end
  end

  def test_a_subscriber_needs_a_block_and_a_store
    assert_raises(ArgumentError) { SmileRelay::Subscriber.new(target: "relay:1") }
    assert_refused("cursors") { SmileRelay::Subscriber.new(target: "relay:1", cursors: "file") { flunk } }
  end
end
