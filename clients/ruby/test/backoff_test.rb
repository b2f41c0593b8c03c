# frozen_string_literal: true

require_relative "helper"

class BackoffTest < Minitest::Test
  # Always the longest delay; remembers what it was asked for.
  class Longest
    attr_reader :ranges

    def rand(range)
      (@ranges ||= []) << range
      range.end
    end
  end

  def test_delays_double_from_half_to_the_whole_and_stop_at_the_longest
    random = Longest.new
    backoff = SmileRelay::Backoff.new(0.1, 0.5, random:)
    assert_equal([0.1, 0.2, 0.4, 0.5, 0.5], Array.new(5) { backoff.next })
    assert_equal [0.05..0.1, 0.2..0.4], random.ranges.values_at(0, 2)
    backoff.reset
    assert_in_delta 0.1, backoff.next
  end

  def test_the_relay_is_never_asked_sooner_than_it_said
    assert_in_delta 7.0, SmileRelay::Backoff.new(0.1, 0.5).next(at_least: 7.0)
  end

  def test_many_failures_in_a_row_stay_at_the_longest
    backoff = SmileRelay::Backoff.new(1, 10)
    delays = Array.new(5000) { backoff.next }
    assert_operator delays.max, :<=, 10.0
    assert_operator delays.last(100).min, :>=, 5.0
  end
end
