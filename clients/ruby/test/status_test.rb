# frozen_string_literal: true

require_relative "helper"

class StatusTest < Minitest::Test
  include Made

  def test_reads_the_relays_reason_metadata_and_delay
    status = SmileRelay::Status.of(bad_status(:UNAVAILABLE, details("DRAINING", retry_ms: 1500, earliest_cursor: "e")))
    assert_equal [:UNAVAILABLE, "scripted", "DRAINING"], [status.code, status.text, status.reason]
    assert_predicate status, :from_relay?
    assert_equal({ "earliest_cursor" => "e" }, status.metadata)
    assert_in_delta 1.5, status.retry_delay
  end

  def test_another_domains_reason_is_not_the_relays
    status = SmileRelay::Status.of(bad_status(:UNAVAILABLE, details("DRAINING", domain: "proxy.example", more: "m")))
    refute_predicate status, :from_relay?
    assert_equal ["", {}], [status.reason, status.metadata]
  end

  def test_without_details_or_with_broken_ones_the_code_still_counts
    [nil, "\xFF\xFF".b].each do |trailer|
      status = SmileRelay::Status.of(bad_status(:ABORTED, trailer))
      assert_equal [:ABORTED, "scripted", "", 0.0], [status.code, status.text, status.reason, status.retry_delay]
    end
  end

  def test_a_code_that_nobody_knows_is_unknown
    assert_equal :UNKNOWN, SmileRelay::Status.of(GRPC::BadStatus.new(99, "odd")).code
  end
end
