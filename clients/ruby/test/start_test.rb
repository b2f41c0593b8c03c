# frozen_string_literal: true

require_relative "helper"

class StartTest < Minitest::Test
  GAP = SmileRelay::Gap.new(latest_cursor: "l")

  def request(start) = SmileRelay::V1::SubscribeRequest.new(**SmileRelay::Start.field(start))

  def test_each_start_has_its_field
    assert_equal :START_POSITION_LATEST, request(:latest).position
    assert_equal :START_POSITION_EARLIEST, request(:earliest).position
    assert_equal "c1", request("c1").after_cursor
    since = request(Time.at(1_700_000_000, 5, :nsec)).received_since
    assert_equal [1_700_000_000, 5], [since.seconds, since.nanos]
  end

  def test_what_on_gap_answers
    assert_equal [nil, nil, :earliest, "l", "c1"],
                 ([nil, :fail, :earliest, :latest, "c1"].map { |answer| SmileRelay::Start.of(answer, GAP) })
    assert_equal :latest, SmileRelay::Start.of(:latest, SmileRelay::Gap.new)
  end

  def test_another_answer_of_on_gap_is_an_error
    [true, :lates, "", 5].each do |answer|
      assert_match "on_gap", assert_raises(SmileRelay::SettingsError) { SmileRelay::Start.of(answer, GAP) }.message
    end
  end
end
