# frozen_string_literal: true

# Prints what people earn, as Smile reports it. Goes on where it was when it is started again; ends on SIGTERM.
#
# ruby -Ilib example/service.rb [ADDRESS [CURSOR_FILE]]
#
# Or by the environment: SMILE_RELAY_ADDRESS (host:port, https://host:port or unix:/path), SMILE_RELAY_CURSOR_FILE, and
# for a relay beyond this machine SMILE_RELAY_CA_FILE and SMILE_RELAY_TOKEN_FILE.

require "bigdecimal"
require "smile_relay"

$stdout.sync = true
address = ARGV[0] || ENV.fetch("SMILE_RELAY_ADDRESS", "127.0.0.1:50051")
cursor_file = ARGV[1] || ENV.fetch("SMILE_RELAY_CURSOR_FILE", "cursor")

SmileRelay.subscribe(
  target: address.sub(%r{\Ahttps?://}, ""),
  tls: address.start_with?("https://") ? { ca_file: ENV.fetch("SMILE_RELAY_CA_FILE", nil) } : nil,
  token_file: ENV.fetch("SMILE_RELAY_TOKEN_FILE", nil),
  cursors: SmileRelay::FileCursorStore.new(cursor_file),
  start: :earliest,
  consumer: "example",
  stop_on: %w[TERM INT],
  on_connection: ->(notice) { warn notice.to_s }
) do |event|
  puts "#{event.sequence} #{event.id} #{event.type_name} #{event.user_id}"
  event.task_finished&.payload&.incomes&.items&.each do |income|
    next unless income.net_amount

    amount = BigDecimal(income.net_amount.value)
    puts "  #{income.start_date}: #{amount.to_s("F")} #{income.currency} net"
  end
end
