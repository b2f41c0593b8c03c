# frozen_string_literal: true

require "openssl"

module SmileRelay
  # How the relay is verified, and who we are. The files are PEM; they are read again for every connection, so they may
  # be renewed at any time.
  class Tls
    # @return [String, nil]
    attr_reader :ca_file, :cert_file, :key_file, :server_name

    # @param ca_file [String, nil] the authorities to trust. Default: those of the system
    # @param cert_file [String, nil] the client certificate, with its chain. Default: none
    # @param key_file [String, nil] its key, unencrypted. Needed with `cert_file`
    # @param server_name [String, nil] the name that the relay's certificate is for. Default: the target's host
    # @raise [SettingsError]
    def initialize(ca_file: nil, cert_file: nil, key_file: nil, server_name: nil)
      raise SettingsError, "tls: cert_file and key_file are needed together" if cert_file.nil? != key_file.nil?

      @ca_file = ca_file
      @cert_file = cert_file
      @key_file = key_file
      @server_name = server_name
      freeze
    end

    # @api private
    # @return [GRPC::Core::ChannelCredentials] made of the files as they are now
    # @raise [SettingsError] for what can't be read or used: gRPC takes any bytes, and then fails each handshake without
    #   a word about why
    def credentials
      check_authorities if ca_file
      roots = ca_file ? read(ca_file, "ca_file") : system_roots
      return GRPC::Core::ChannelCredentials.new(roots) unless cert_file

      certificate = read(cert_file, "cert_file")
      key = read(key_file, "key_file")
      check_pair(certificate, key)
      GRPC::Core::ChannelCredentials.new(roots, key, certificate)
    end

    private

    def check_authorities
      raise OpenSSL::OpenSSLError, "there is none" if OpenSSL::X509::Certificate.load_file(ca_file).empty?
    rescue SystemCallError => e
      raise SettingsError, "tls: ca_file: #{e.message}"
    rescue OpenSSL::OpenSSLError => e
      raise SettingsError, "tls: ca_file: #{ca_file} is not a PEM file of certificates: #{e.message}"
    end

    def check_pair(certificate, key)
      # The empty password keeps OpenSSL from asking for one at the terminal.
      pair = OpenSSL::X509::Certificate.new(certificate).check_private_key(OpenSSL::PKey.read(key, ""))
      raise OpenSSL::OpenSSLError, "the key is another one's" unless pair
    rescue OpenSSL::OpenSSLError => e
      raise SettingsError, "tls: cert_file and key_file don't belong together, or are not PEM: #{e.message}"
    end

    # grpc's own default is a list of authorities that it brings along; a company's own would not be in it.
    def system_roots
      file = ENV.fetch("SSL_CERT_FILE", OpenSSL::X509::DEFAULT_CERT_FILE)
      directory_bundle = File.join(OpenSSL::X509::DEFAULT_CERT_DIR, "ca-certificates.crt") # Debian, Ubuntu, Alpine
      readable = [file, directory_bundle].find { |path| File.readable?(path) }
      readable && File.binread(readable)
    end

    def read(path, setting)
      File.binread(path)
    rescue SystemCallError => e
      raise SettingsError, "tls: #{setting}: #{e.message}"
    end
  end
end
