# frozen_string_literal: true

require "tmpdir"
require_relative "helper"

class TlsTest < Minitest::Test
  def setup
    @directory = Dir.mktmpdir
    @keys = Array.new(2) { OpenSSL::PKey::EC.generate("prime256v1") }
    @certificate = write("cert.pem", certificate(@keys.first).to_pem)
    @key, @other_key = @keys.each_with_index.map { |key, number| write("key#{number}.pem", key.to_pem) }
  end

  def teardown = FileUtils.remove_entry(@directory)

  def write(name, content) = File.join(@directory, name).tap { |path| File.write(path, content) }

  def certificate(key)
    OpenSSL::X509::Certificate.new.tap do |made|
      made.subject = made.issuer = OpenSSL::X509::Name.parse("/CN=test")
      made.public_key = key
      made.not_before = Time.now
      made.not_after = Time.now + 60
      made.sign(key, "SHA256")
    end
  end

  def assert_refused(what, &)
    assert_match what, assert_raises(SmileRelay::SettingsError, &).message
  end

  def test_certificate_and_key_are_needed_together
    assert_refused("together") { SmileRelay::Tls.new(cert_file: @certificate) }
    assert_refused("together") { SmileRelay::Tls.new(key_file: @key) }
  end

  def test_files_that_fit_are_taken
    [{}, { ca_file: @certificate }, { cert_file: @certificate, key_file: @key }].each do |files|
      assert_kind_of GRPC::Core::ChannelCredentials, SmileRelay::Tls.new(**files).credentials
    end
  end

  def test_files_are_checked_before_grpc_fails_without_a_word
    [write("ca.pem", "no certificate"), write("empty.pem", ""), "/no/such/file"].each do |ca_file|
      assert_refused("ca_file") { SmileRelay::Tls.new(ca_file:).credentials }
    end
    assert_refused("belong together") { SmileRelay::Tls.new(cert_file: @certificate, key_file: @other_key).credentials }
    assert_refused("key_file") { SmileRelay::Tls.new(cert_file: @certificate, key_file: "/no/such/key").credentials }
  end
end
