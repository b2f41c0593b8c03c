# frozen_string_literal: true

require "pathname"
require "tmpdir"
require_relative "helper"

class FileCursorStoreTest < Minitest::Test
  def setup
    @directory = Dir.mktmpdir
    @path = File.join(@directory, "cursor")
    @store = SmileRelay::FileCursorStore.new(Pathname(@path))
  end

  def teardown = FileUtils.remove_entry(@directory)

  def test_a_missing_or_empty_file_holds_nothing
    assert_nil @store.load
    File.write(@path, "\n")
    assert_nil @store.load
  end

  def test_keeps_the_last_cursor_as_text_and_a_newline
    @store.save("one, which is longer")
    @store.save("two")
    assert_equal "two\n", File.binread(@path)
    assert_equal "two", SmileRelay::FileCursorStore.new(@path).load
    assert_equal ["cursor"], Dir.children(@directory)
  end

  # A file whose sync to the disk fails.
  module Full
    def fsync = raise(Errno::ENOSPC)
  end

  def test_the_old_cursor_stays_until_the_new_one_is_on_the_disk
    @store.save("old")
    open = File.method(:open)
    open_full = lambda do |*arguments, **options, &use|
      open.call(*arguments, **options) { |file| use.call(file.extend(Full)) }
    end
    File.stub(:open, open_full) { assert_raises(Errno::ENOSPC) { @store.save("new") } }
    assert_equal "old", @store.load
  end
end

class MemoryCursorStoreTest < Minitest::Test
  def test_keeps_the_last_cursor
    store = SmileRelay::MemoryCursorStore.new("one")
    assert_equal "one", store.load
    store.save("two")
    assert_equal "two", store.load
  end
end
