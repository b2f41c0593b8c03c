# frozen_string_literal: true

require_relative "helper"

class PlaceTest < Minitest::Test
  # A store that remembers all that it was given.
  class Store
    attr_reader :load, :saved

    def initialize(cursor)
      @load = cursor
      @saved = []
    end

    def save(cursor) = @saved << cursor
  end

  def place(cursor = nil)
    @now = 100.0
    @store = Store.new(cursor)
    SmileRelay::Place.new(@store, clock: -> { @now })
  end

  def test_every_handled_event_is_saved
    place = place()
    place.handled("c1")
    place.handled("c2")
    assert_equal %w[c1 c2], @store.saved
    assert_equal "c2", place.cursor
  end

  def test_checkpoints_are_saved_once_a_second_and_at_the_end
    place = place()
    place.checkpoint("k1")
    @now += 0.9
    place.checkpoint("k2")
    assert_equal [["k1"], "k2"], [@store.saved, place.cursor]
    @now += 0.1
    place.checkpoint("k3")
    place.checkpoint("k4")
    assert_equal %w[k1 k3], @store.saved
    place.flush
    assert_equal %w[k1 k3 k4], @store.saved
  end

  def test_what_is_saved_is_not_saved_again
    place = place("k1")
    place.checkpoint("k1")
    place.flush
    assert_empty @store.saved
  end

  def test_a_forgotten_place_leaves_the_store_alone
    place = place("old")
    place.forget
    place.flush
    assert_nil place.cursor
    assert_empty @store.saved
  end
end
