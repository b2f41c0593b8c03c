# frozen_string_literal: true

# Prints what people earn, as Smile reports it. Goes on where it was when it is started again; ends on SIGTERM.
#
# ruby -Ilib example/service.rb [TARGET [CURSOR_FILE]]

require "bigdecimal"
require "smile_relay"

$stdout.sync = true
target, cursor_file = ARGV

SmileRelay.subscribe(
  target: target || "127.0.0.1:50051",
  cursors: SmileRelay::FileCursorStore.new(cursor_file || "cursor"),
  filter: { types: %i[EVENT_TYPE_ACCOUNT_CONNECTED EVENT_TYPE_TASK_FINISHED] },
  start: :earliest,
  consumer: "example",
  stop_on: %w[TERM INT],
  on_connection: ->(notice) { warn notice.to_s }
) do |event|
  puts "#{event.sequence}: #{event.type_name} of user #{event.user_id}"
  event.task_finished&.payload&.incomes&.items&.each do |income|
    next unless income.net_amount

    amount = BigDecimal(income.net_amount.value)
    puts "  #{income.start_date}: #{amount.to_s("F")} #{income.currency} net"
  end
end
