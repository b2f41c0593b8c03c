# frozen_string_literal: true

require_relative "helper"

# Stopping at the moment that a test of the whole can't hit for certain: when the thread waits already.
class WaitingTest < Minitest::Test
  # Seconds. Reached only by a failing test.
  LONG = 20

  def setup
    @waiting = SmileRelay::Waiting.new
  end

  # Waits, and does something in the moment before it sleeps, with the lock held.
  def wait_and(seconds = LONG)
    @waiting.until(seconds) do
      yield
      nil
    end
  end

  def test_another_thread_wakes_the_one_that_waits
    stopper = nil
    assert_raises(SmileRelay::Stopped) { wait_and { stopper ||= Thread.new { @waiting.stop } } }
    stopper.join
  end

  def test_a_signal_handler_wakes_the_thread_that_it_interrupts
    before = trap("USR1") { @waiting.stop }
    assert_raises(SmileRelay::Stopped) { wait_and { Process.kill("USR1", Process.pid) } }
  ensure
    trap("USR1", before || "DEFAULT")
  end

  def test_nothing_waits_once_it_is_stopped
    @waiting.stop
    assert_raises(SmileRelay::Stopped) { @waiting.sleep(LONG) }
    assert_raises(SmileRelay::Stopped) { @waiting.until(LONG) { flunk } }
  end

  def test_a_change_wakes_it
    values = []
    changer = nil
    found = @waiting.until(LONG) do
      changer ||= Thread.new { @waiting.change { values << :found } }
      values.first
    end
    assert_equal :found, found
  end

  def test_it_waits_no_longer_than_it_may
    assert_nil(@waiting.until(0.001) { nil })
  end
end
