// A service that prints what people were paid. Keeps its place in a file, and ends on SIGTERM or Ctrl-C.
//   smile_relay_example [ADDRESS]
// Or by the environment: SMILE_RELAY_ADDRESS (host:port, https://host:port or unix:/path), SMILE_RELAY_CURSOR_FILE, and
// for a relay beyond this machine SMILE_RELAY_CA_FILE and SMILE_RELAY_TOKEN_FILE.
#include <smile_relay/subscriber.hpp>

#include <boost/multiprecision/cpp_dec_float.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

// 100 decimal digits: a double would not keep anybody's income as it was sent.
using Amount = boost::multiprecision::cpp_dec_float_100;
using smile_relay::v1::Event;

static smile_relay::Subscriber* running = nullptr;

static grpc::Status print(const Event& event) {
  std::cout << event.sequence() << ' ' << event.id() << ' ' << event.type_name() << ' ' << event.user_id() << '\n';
  for (const auto& income : event.task_finished().payload().incomes().items()) {
    if (!income.has_net_amount()) continue;
    const Amount net{income.net_amount().value()};
    std::cout << "  " << income.employer() << ": " << income.currency() << ' ' << net.str() << '\n';
  }
  std::cout.flush();
  return grpc::Status::OK;
}

static std::string environment(const char* name, const char* otherwise = "") {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : environment("SMILE_RELAY_ADDRESS", "127.0.0.1:50051");
  const auto scheme = address.find("://");
  smile_relay::Options options;
  options.target = scheme == std::string::npos ? address : address.substr(scheme + 3);
  if (address.rfind("https://", 0) == 0) options.tls = smile_relay::Tls{environment("SMILE_RELAY_CA_FILE")};
  options.token_file = environment("SMILE_RELAY_TOKEN_FILE");
  options.start = smile_relay::Earliest{};
  options.cursor_store = std::make_shared<smile_relay::FileCursorStore>(
      environment("SMILE_RELAY_CURSOR_FILE", "smile-relay.cursor"));
  options.consumer = "example-cpp";
  options.on_lost = [](const auto& lost) { std::cerr << "lost, trying again: " << lost.message << '\n'; };

  smile_relay::Subscriber subscriber{options};
  running = &subscriber;
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { running->stop(); });

  const auto result = subscriber.run(print);
  if (!result.ok()) std::cerr << result.error.describe() << '\n';
  return result.ok() ? 0 : 1;
}
