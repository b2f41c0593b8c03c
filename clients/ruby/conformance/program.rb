# frozen_string_literal: true

require "json"
require_relative "event_line"

# One run: the parsed argument, and what is printed, one JSON object a line.
class Program
  def initialize(argv)
    raise ArgumentError, "one JSON object is expected" unless argv.size == 1

    @config = JSON.parse(argv.first, symbolize_names: true)
    @count = 0
    @began = now
    @cpu_began = cpu
    @subscriber = SmileRelay::Subscriber.new(cursors:, on_gap: method(:gap), on_connection: method(:connection),
                                             **settings) { |event| handle(event) }
  rescue ArgumentError, TypeError, KeyError, NoMethodError, JSON::ParserError, SmileRelay::SettingsError => e
    warn "bad argument: #{e.message}"
    exit 2
  end

  # Returns the exit code.
  def run
    %w[TERM INT].each { |signal| trap(signal) { @subscriber.stop } }
    finish(how: @subscriber.run)
    0
  rescue SmileRelay::SubscriptionError => e
    finish(how: "failed", code: e.code, reason: e.reason, message: e.text)
    1
  rescue StandardError => e
    finish(how: "failed", message: "#{e.class}: #{e.message}")
    1
  end

  private

  def cursors
    path = @config[:cursor_file]
    path ? SmileRelay::FileCursorStore.new(path) : SmileRelay::MemoryCursorStore.new
  end

  def settings
    backoff_max = @config.fetch(:backoff_max_ms, 10_000) / 1000r
    {
      target: @config.fetch(:target),
      filter: @config[:filter] && filter,
      start: @config.fetch(:start, "latest").to_sym,
      tls: @config[:ca_file] && @config.slice(:ca_file, :server_name),
      heartbeat_interval: @config.fetch(:heartbeat_interval_ms, 15_000) / 1000r,
      backoff_initial: [0.1r, backoff_max].min,
      backoff_max:,
      **@config.slice(:token_file, :include_raw_body, :max_event_bytes, :fetch_omitted, :stop_when_caught_up, :consumer)
    }
  end

  def filter = @config[:filter].merge(types: @config[:filter].fetch(:types, []).map(&:to_sym))

  def handle(event)
    sleep(@config[:handle_ms] / 1000r) if @config[:handle_ms]
    @count += 1
    say(event: EventLine.of(event)) unless @config[:count_only]
    @subscriber.stop if @count == @config[:stop_after]
  end

  def gap(gap)
    say(gap: { reason: gap.reason, asked: gap.asked,
               earliest: gap.earliest_cursor.to_s, latest: gap.latest_cursor.to_s })
    @config.fetch(:on_gap, "fail").to_sym
  end

  def connection(notice)
    case notice
    in SmileRelay::Connected[after:] then say(connected: { after: after.to_s })
    in SmileRelay::Lost[code:, reason:, delay:]
      say(lost: { code: code || "DEAD", reason:, delay_ms: (delay * 1000).round })
    end
  end

  def finish(how:, code: "", reason: "", message: "")
    say(end: { how:, code:, reason:, message:, events: @count, seconds: (now - @began).round(3),
               cpu_seconds: (cpu - @cpu_began).round(3) })
  end

  def say(line)
    $stdout.write(JSON.generate(line), "\n")
    $stdout.flush
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  def cpu = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
end
