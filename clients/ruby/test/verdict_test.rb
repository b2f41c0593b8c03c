# frozen_string_literal: true

require_relative "helper"

class VerdictTest < Minitest::Test
  def relay(code, reason)
    SmileRelay::Status.new(code, "words", info: Google::Rpc::ErrorInfo.new(reason:, domain: "smile-relay"))
  end

  def library(code) = SmileRelay::Status.new(code, "words")

  def assert_verdict(verdict, status)
    [true, false].each do |has_token_file|
      assert_equal verdict, SmileRelay::Verdict.of(status, has_token_file:), "#{status.code} #{status.reason}"
    end
  end

  def test_what_passes_is_tried_again
    [nil, :OK, :UNAVAILABLE, :UNKNOWN, :INTERNAL, :ABORTED, :CANCELLED, :DEADLINE_EXCEEDED].each do |code|
      assert_verdict :retry, library(code)
    end
    assert_verdict :retry, relay(:UNAVAILABLE, "DRAINING")
    assert_verdict :retry, relay(:RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    assert_verdict :retry, relay(:RESOURCE_EXHAUSTED, "TOO_MANY_STARTS")
  end

  def test_gaps_are_told_by_code_and_reason
    assert_verdict :gap, relay(:OUT_OF_RANGE, "CURSOR_EXPIRED")
    %w[CURSOR_FOREIGN_LOG CURSOR_DIVERGED CURSOR_AHEAD].each do |reason|
      assert_verdict :gap, relay(:FAILED_PRECONDITION, reason)
    end
    assert_verdict :final, relay(:OUT_OF_RANGE, "OTHER")
    assert_verdict :final, relay(:FAILED_PRECONDITION, "CURSOR_EXPIRED")
    assert_verdict :final, library(:FAILED_PRECONDITION)
  end

  def test_everything_else_is_final
    final = %i[INVALID_ARGUMENT PERMISSION_DENIED NOT_FOUND UNIMPLEMENTED DATA_LOSS RESOURCE_EXHAUSTED OUT_OF_RANGE]
    final.each { |code| assert_verdict :final, library(code) }
  end

  def test_unauthenticated_passes_only_with_a_token_file_that_may_be_replaced
    assert_equal :retry, SmileRelay::Verdict.of(library(:UNAUTHENTICATED), has_token_file: true)
    assert_equal :final, SmileRelay::Verdict.of(library(:UNAUTHENTICATED), has_token_file: false)
  end

  def test_a_message_over_the_limit_names_what_to_raise
    %i[RESOURCE_EXHAUSTED OUT_OF_RANGE].each do |code|
      text = SmileRelay::Verdict.final_error(library(code), 5000).message
      assert_match "max_event_bytes, now 5000", text
      assert_match "grpc.max_receive_message_length", text
    end
    refute_match "max_event_bytes", SmileRelay::Verdict.final_error(relay(:OUT_OF_RANGE, "OTHER"), 5000).message
  end

  def test_a_gap_says_what_is_known
    gap = SmileRelay::Verdict.gap(relay(:OUT_OF_RANGE, "CURSOR_EXPIRED"), "asked")
    assert_equal [:OUT_OF_RANGE, "CURSOR_EXPIRED", "asked", nil, nil, "words"], gap.to_a
  end
end
