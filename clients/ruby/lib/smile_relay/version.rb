# frozen_string_literal: true

module SmileRelay
  # The package's version.
  VERSION = "0.1.0"
end
