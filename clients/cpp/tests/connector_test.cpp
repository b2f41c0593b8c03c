#include "connector.hpp"

#include <gtest/gtest.h>

#include "temporary_directory.hpp"

namespace smile_relay {
namespace {

using namespace std::chrono_literals;

/// Empty if the options can be used.
std::string complaint(const Options& options) { return Connector{options}.check().error_message(); }

std::string complaint(const std::string& target) {
  Options options;
  options.target = target;
  return complaint(options);
}

TEST(Options, NeedATargetOfOneOfTwoForms) {
  for (const auto* target : {"127.0.0.1:50051", "relay.internal:443", "[::1]:50051", "unix:/run/relay.sock"}) {
    EXPECT_EQ(complaint(target), "") << target;
  }
  for (const auto* target :
       {"", "relay", "relay:", ":50051", "relay:grpc", "::1:50051", "https://relay:443", "unix:"}) {
    EXPECT_NE(complaint(target), "") << target;
  }
}

TEST(Options, SendATokenOnlyWhereNobodyListensIn) {
  const TemporaryDirectory directory;
  Options options;
  options.token_file = directory.write("token", "t\n");
  for (const auto* target : {"127.0.0.1:1", "127.3.2.1:1", "localhost:1", "[::1]:1", "unix:/run/relay.sock"}) {
    options.target = target;
    EXPECT_EQ(complaint(options), "") << target;
  }
  for (const auto* target :
       {"10.0.0.1:1", "relay:1", "127.0.0.1.example.com:1", "localhost.example.com:1", "[::2]:1"}) {
    options.target = target;
    EXPECT_NE(complaint(options).find("token_file"), std::string::npos) << target;
  }
  options.tls.emplace();
  EXPECT_EQ(complaint(options), "");
}

TEST(Options, NeedATokenThatCanBeSent) {
  const TemporaryDirectory directory;
  Options options;
  options.target = "127.0.0.1:1";
  for (const auto* content : {"", " \n", "two\nlines", "two words", "\xc3\xa9"}) {
    options.token_file = directory.write("token", content);
    EXPECT_NE(complaint(options), "") << content;
  }
  options.token_file = directory.path("missing");
  EXPECT_NE(complaint(options).find("missing"), std::string::npos);
  options.token_file = directory.path("");
  EXPECT_NE(complaint(options), "") << "a directory";
}

TEST(Options, NeedCertificatesThatCanBeRead) {
  const TemporaryDirectory directory;
  const auto pem = directory.write("pem", "-----BEGIN CERTIFICATE-----\n");
  Options options;
  options.target = "127.0.0.1:1";
  options.tls.emplace().ca_file = pem;
  EXPECT_EQ(complaint(options), "");
  options.tls->ca_file = directory.path("missing");
  EXPECT_NE(complaint(options).find("tls.ca_file"), std::string::npos);
  options.tls->ca_file = directory.write("other", "not PEM");
  EXPECT_NE(complaint(options).find("PEM"), std::string::npos);
  options.tls->ca_file = pem;
  options.tls->certificate_file = pem;
  EXPECT_NE(complaint(options).find("go together"), std::string::npos);
  options.tls->key_file = pem;
  EXPECT_EQ(complaint(options), "");
}

TEST(Options, NeedTimesThatMakeSense) {
  Options options;
  options.target = "127.0.0.1:1";
  options.backoff_max = 50ms;
  EXPECT_NE(complaint(options).find("backoff_max"), std::string::npos);
  options.backoff_initial = 0ms;
  EXPECT_NE(complaint(options).find("backoff_initial"), std::string::npos);
  options = {};
  options.target = "127.0.0.1:1";
  options.heartbeat_interval = 0ms;
  EXPECT_NE(complaint(options).find("heartbeat_interval"), std::string::npos);
}

TEST(Connector, ReadsTheTokenAgainForEachCall) {
  const TemporaryDirectory directory;
  Options options;
  options.target = "127.0.0.1:1";
  options.token_file = directory.write("token", "t\n");
  const Connector connector{options};
  grpc::ClientContext first;
  EXPECT_TRUE(connector.authorize(first).ok());
  directory.write("token", "");
  grpc::ClientContext second;
  EXPECT_EQ(connector.authorize(second).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace smile_relay
