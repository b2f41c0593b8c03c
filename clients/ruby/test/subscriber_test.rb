# frozen_string_literal: true

require "tmpdir"
require_relative "scripted_relay"

# Subscribers against a relay made of a script.
class SubscriberTest < Minitest::Test
  include ScriptedRelay::Scripts

  # One run of a subscriber: what it was told, and what it did.
  class Run
    attr_reader :handled, :notices, :gaps, :subscriber, :cursors

    def initialize(relay, cursor: nil, stop_after: nil, decide: nil, on_event: nil, on_notice: nil, **settings)
      @handled = []
      @notices = []
      @gaps = []
      @cursors = SmileRelay::MemoryCursorStore.new(cursor)
      settings = { target: relay.target, start: :earliest, backoff_initial: 0.001, backoff_max: 0.001, **settings }
      on_gap = ->(gap) { (@gaps << gap) && decide&.call(gap) }
      on_connection = ->(notice) { (@notices << notice) && on_notice&.call(notice) }
      @subscriber = SmileRelay::Subscriber.new(cursors: @cursors, on_gap:, on_connection:, **settings) do |event|
        on_event&.call(event)
        @handled << event
        @subscriber.stop if @handled.size == stop_after
      end
    end

    def go = @subscriber.run
    def stop = @subscriber.stop
    def sequences = @handled.map(&:sequence)
    def lost = @notices.grep(SmileRelay::Lost)
    def saved = @cursors.cursor
  end

  def serve(...) = ScriptedRelay.serve(...)

  def test_resumes_after_the_last_handled_event
    first = fails(:UNAVAILABLE, response(checkpoint: "k0"), response(1, 2), trailer: details("DRAINING"))
    serve(first, ends(response(3, checkpoint: "k3")), sends(response(checkpoint: "k3"), response(4))) do |relay|
      run = Run.new(relay, stop_after: 4)
      assert_equal :stopped, run.go
      assert_equal [1, 2, 3, 4], run.sequences
      assert_equal "c4", run.saved
      assert_equal :START_POSITION_EARLIEST, relay.requests.first.position
      assert_equal ["", "c2", "k3"], relay.requests.map(&:after_cursor)
      assert_equal %w[Connected Lost Connected Lost Connected], (run.notices.map { |notice| notice.class.name[/\w+$/] })
      assert_equal [[:UNAVAILABLE, "DRAINING"], [:OK, ""]], (run.lost.map { |notice| [notice.code, notice.reason] })
      assert_equal "c2", run.notices[2].after
    end
  end

  def test_a_dead_stream_is_opened_again_over_a_new_connection
    serve(sends(response(1, checkpoint: "k1", heartbeat_ms: 20)), sends(response(2))) do |relay|
      run = Run.new(relay, stop_after: 2)
      assert_equal :stopped, run.go
      assert_equal [nil], run.lost.map(&:code)
      assert_equal 2, relay.peers.uniq.size
    end
  end

  def test_a_failing_handler_ends_it_and_gets_its_event_again
    [KeyError, StopIteration, GRPC::Unavailable, SmileRelay::SettingsError].each do |error|
      serve(sends(response(1, 2, 3))) do |relay|
        run = Run.new(relay, on_event: ->(event) { raise error, "its own" if event.sequence == 2 })
        assert_match "its own", assert_raises(error) { run.go }.message
        assert_equal "c1", run.saved
        assert_equal 1, relay.requests.size
        assert_empty run.lost
      end
    end
  end

  def test_a_break_ends_it_without_keeping_the_event
    serve(sends(response(1, 2, 3))) do |relay|
      cursors = SmileRelay::MemoryCursorStore.new
      result = SmileRelay.subscribe(target: relay.target, cursors:) { |event| break :left if event.sequence == 2 }
      assert_equal :left, result
      assert_equal "c1", cursors.cursor
    end
  end

  def test_a_gap_fails_with_what_is_known
    trailer = details("CURSOR_EXPIRED", earliest_cursor: "e", latest_cursor: "l")
    serve(fails(:OUT_OF_RANGE, trailer:)) do |relay|
      run = Run.new(relay, cursor: "old")
      gap = assert_raises(SmileRelay::GapError) { run.go }.gap
      assert_equal [gap], run.gaps
      assert_equal %w[CURSOR_EXPIRED old e l], [gap.reason, gap.asked, gap.earliest_cursor, gap.latest_cursor]
      assert_equal "old", run.saved
    end
  end

  def test_a_gap_goes_on_where_the_application_says
    gone = fails(:FAILED_PRECONDITION, trailer: details("CURSOR_FOREIGN_LOG", latest_cursor: "l"))
    serve(gone, gone, gone, sends(response(1))) do |relay|
      decisions = [:earliest, :latest, "there"]
      run = Run.new(relay, cursor: "old", stop_after: 1, decide: ->(_) { decisions.shift })
      assert_equal :stopped, run.go
      assert_equal ["old", "", "l", "there"], relay.requests.map(&:after_cursor)
      assert_equal :START_POSITION_EARLIEST, relay.requests[1].position
      assert_equal ["there"], run.notices.map(&:after)
      assert_equal "c1", run.saved
    end
  end

  def test_what_trying_again_does_not_change_is_an_error
    serve(fails(:INVALID_ARGUMENT)) do |relay|
      error = assert_raises(SmileRelay::SubscriptionError) { Run.new(relay).go }
      assert_equal [:INVALID_ARGUMENT, "", "scripted"], [error.code, error.reason, error.text]
      assert_equal 1, relay.requests.size
    end
  end

  def test_a_message_over_the_limit_is_final_and_says_what_to_raise
    large = response
    large.events << event(1, raw_body: "x" * (5 << 20))
    serve(sends(large)) do |relay|
      error = assert_raises(SmileRelay::SubscriptionError) { Run.new(relay).go }
      assert_equal :RESOURCE_EXHAUSTED, error.code
      assert_match "max_event_bytes", error.message
    end
  end

  def test_an_omitted_event_is_fetched_if_that_is_asked_for
    stub = response
    stub.events << event(1, omitted: V1::Omitted.new(reason: :OMITTED_REASON_TOO_LARGE, size_bytes: 6 << 20))
    [false, true].each do |fetch_omitted|
      serve(sends(stub)) do |relay|
        run = Run.new(relay, stop_after: 1, fetch_omitted:)
        run.go
        assert_equal [fetch_omitted], (run.handled.map { |event| event.omitted.nil? })
        assert_equal [fetch_omitted ? 6 << 20 : 0], (run.handled.map { |event| event.raw_body.bytesize })
        assert_equal "c1", run.saved
      end
    end
  end

  def test_caught_up_is_an_end_of_its_own
    serve(ends(response(1, checkpoint: "k1"))) do |relay|
      run = Run.new(relay, stop_when_caught_up: true)
      assert_equal :caught_up, run.go
      assert_equal "k1", run.saved
    end
  end

  def test_a_stop_in_the_midst_of_a_message_keeps_what_was_handled
    serve(sends(response(1, 2, 3, checkpoint: "k3"))) do |relay|
      run = Run.new(relay, stop_after: 2)
      assert_equal :stopped, run.go
      assert_equal [1, 2], run.sequences
      assert_equal "c2", run.saved
    end
  end

  def test_a_stop_ends_a_delay
    serve(fails(:UNAVAILABLE, trailer: details("TOO_MANY_STREAMS", retry_ms: 3_600_000))) do |relay|
      run = Run.new(relay, on_notice: ->(_) { run.stop })
      assert_equal :stopped, run.go
      assert_equal [3600.0], run.lost.map(&:delay)
    end
  end

  def test_a_stop_from_another_thread_ends_the_wait_for_a_message
    serve(sends(response(checkpoint: "k0"))) do |relay|
      run = Run.new(relay, on_notice: ->(_) { Thread.new { run.stop } })
      assert_equal :stopped, run.go
      assert_equal "k0", run.saved
    end
  end

  def test_a_signal_stops_it_and_its_handler_is_put_back
    mine = -> {}
    before = trap("USR1", mine)
    serve(sends(response(1))) do |relay|
      result = SmileRelay.subscribe(target: relay.target, stop_on: ["USR1"]) { Process.kill("USR1", Process.pid) }
      assert_equal :stopped, result
      assert_same mine, trap("USR1", "DEFAULT")
    end
  ensure
    trap("USR1", before || "DEFAULT")
  end

  def test_an_exception_from_outside_leaves_no_thread_behind
    serve(sends(response(1, checkpoint: "k1"))) do |relay|
      waiting = Thread::Queue.new
      run = Run.new(relay, on_event: ->(_) { waiting << true })
      thread = Thread.new { run.go }
      thread.report_on_exception = false
      waiting.pop
      threads = Thread.list
      thread.raise(Interrupt, "^C")
      assert_raises(Interrupt) { thread.join }
      # Only the runner and its reader are gone.
      assert_equal 2, (threads - Thread.list).size
      assert_includes %w[c1 k1], run.saved
    end
  end

  def test_a_message_starts_the_count_of_failures_afresh
    failing = fails(:UNAVAILABLE)
    serve(failing, failing, fails(:UNAVAILABLE, response(1)), sends(response(2))) do |relay|
      run = Run.new(relay, stop_after: 2, backoff_max: 0.1)
      run.go
      first, second, third = run.lost.map(&:delay)
      assert_includes 0.0005..0.001, first
      assert_includes 0.001..0.002, second
      assert_includes 0.0005..0.001, third
    end
  end

  def test_the_token_goes_with_each_call_as_it_is_then
    Dir.mktmpdir do |directory|
      token_file = File.join(directory, "token")
      File.write(token_file, "one\n")
      serve(fails(:UNAUTHENTICATED), sends(response(1))) do |relay|
        run = Run.new(relay, token_file:, stop_after: 1, on_notice: ->(_) { File.write(token_file, "two\n") })
        run.go
        assert_equal ["Bearer one", "Bearer two"], (relay.metadata.map { |metadata| metadata["authorization"] })
      end
    end
  end

  def test_a_subscriber_runs_once
    subscriber = SmileRelay::Subscriber.new(target: "relay.invalid:1") { flunk }
    subscriber.stop
    assert_equal :stopped, subscriber.run
    assert_match "once", assert_raises(SmileRelay::Error) { subscriber.run }.message
  end
end
