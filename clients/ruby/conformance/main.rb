# frozen_string_literal: true

# The conformance program: tests/polyglot runs it, with a JSON object as its argument.

$LOAD_PATH.unshift(File.expand_path("../lib", __dir__))

require "smile_relay"
require_relative "program"

exit Program.new(ARGV).run
