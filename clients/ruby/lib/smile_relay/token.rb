# frozen_string_literal: true

module SmileRelay
  # The bearer token.
  #
  # @api private
  module Token
    module_function

    # @param file [String, nil]
    # @return [Hash{String => String}] what goes with a call, from the file as it is now
    # @raise [SettingsError] if it can't be used; what is wrong is said without repeating any of it
    def metadata(file)
      return {} if file.nil?

      token = File.binread(file).strip
      raise SettingsError, "token_file: #{file} is empty" if token.empty?
      raise SettingsError, "token_file: #{file} holds what can't be sent in a header" if token.match?(/[^ -~]/n)

      { "authorization" => "Bearer #{token}" }
    rescue SystemCallError => e
      raise SettingsError, "token_file: #{e.message}"
    end
  end
end
