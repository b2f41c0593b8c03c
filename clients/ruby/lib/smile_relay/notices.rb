# frozen_string_literal: true

module SmileRelay
  # Tells `on_connection` that the relay has answered: the stream is open.
  #
  # - `after`: the cursor that it was resumed from; nil if it began at a start
  Connected = Struct.new(:after, keyword_init: true) do
    def to_s = after ? "connected, after cursor #{after}" : "connected"
  end

  # Tells `on_connection` that the stream, or the fetch of an omitted event, failed, and is tried again.
  #
  # - `code`: the status code, such as `:UNAVAILABLE`. `:OK`: the relay ended the stream, unasked. nil: the stream was
  #   dead, nothing came for too long
  # - `reason`: the relay's own name for it, as in service.proto; empty if it gave none
  # - `text`: what to know about it, for people
  # - `delay`: seconds until the next attempt
  Lost = Struct.new(:code, :reason, :text, :delay, keyword_init: true) do
    def dead? = code.nil?

    def to_s
      why = [dead? ? "dead stream" : code, reason].join(" ").rstrip
      format("lost: %<why>s: %<text>s; next attempt in %<delay>.1f s", why:, text:, delay:)
    end
  end
end
