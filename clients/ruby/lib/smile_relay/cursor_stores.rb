# frozen_string_literal: true

module SmileRelay
  # A cursor store keeps one cursor. Any object with these two methods is one; what they raise ends the subscription.
  #
  # - `load`: what was saved last, as a String; nil if nothing was. Called once, when the subscription begins
  # - `save(cursor)`: keeps it, durably if it is to survive. Called after each event that was handled, and for the
  #   relay's checkpoints, at most once a second
  #
  # To commit the cursor together with what a handler does, let the handler write `event.cursor` in its own transaction,
  # and give a store whose `save` does nothing: `load` is what counts.
  #
  # This one forgets when the process ends. For tests, and for services that begin at a start each time.
  class MemoryCursorStore
    # @return [String, nil] what was saved last
    attr_reader :cursor
    alias load cursor

    # @param cursor [String, nil] what to begin with
    def initialize(cursor = nil)
      @cursor = cursor
    end

    # @param cursor [String]
    def save(cursor)
      @cursor = cursor
    end
  end

  # Keeps the cursor in a file, as text and a newline. A crash leaves the old one or the new one, never half of one.
  #
  # Its directory has to exist. One subscriber uses a file at a time.
  class FileCursorStore
    # @param path [String, Pathname]
    def initialize(path)
      @path = path.to_s
      @temporary = "#{@path}.tmp"
    end

    # @return [String, nil] the file's content without its newline; nil if there is no file, or an empty one
    # @raise [SystemCallError] if it can't be read
    def load
      cursor = File.read(@path, encoding: Encoding::UTF_8).strip
      cursor unless cursor.empty?
    rescue Errno::ENOENT
      nil
    end

    # Writes a file beside it, syncs that to the disk, and renames it over.
    #
    # @param cursor [String]
    # @raise [SystemCallError] if that fails
    def save(cursor)
      File.open(@temporary, "w", encoding: Encoding::UTF_8) do |file|
        file.write(cursor, "\n")
        file.fsync
      end
      File.rename(@temporary, @path)
    end
  end
end
