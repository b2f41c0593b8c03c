# frozen_string_literal: true

require "bigdecimal"

# How an event is printed.
module EventLine
  module_function

  def of(event)
    {
      sequence: event.sequence,
      id: event.id,
      type: event.type,
      type_name: event.type_name,
      cursor: event.cursor,
      user_id: event.user_id,
      created_at: event.created_at && JSON.parse(event.created_at.to_json),
      data: event.data || "",
      omitted: event.omitted ? event.omitted.reason.to_s.delete_prefix("OMITTED_REASON_") : "",
      issues: event.decode_issues.size,
      raw_bytes: event.raw_body.bytesize,
      net_amount: net_amount(event)
    }.compact
  end

  def net_amount(event)
    amount = event.task_finished&.payload&.incomes&.items&.first&.net_amount
    amount && plain(amount.value)
  end

  # A BigDecimal keeps the number, not how many zeros it was written with: those are put back.
  def plain(text)
    mantissa, exponent = text.downcase.split("e")
    digits = [mantissa.split(".")[1].to_s.size - exponent.to_i, 0].max
    whole, fraction = BigDecimal(text).to_s("F").split(".")
    digits.zero? ? whole : "#{whole}.#{fraction.ljust(digits, "0")}"
  end
end
