// The program that tests/polyglot drives: one subscription as its argument says, and a line of JSON for all that
// happens. Exit code: 0 stopped or caught up, 1 failed, 2 bad argument.
#include <smile_relay/subscriber.hpp>

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <thread>

#include "report.hpp"
#include "settings.hpp"

namespace {

smile_relay::Subscriber* running = nullptr;

/// User and system time of the process.
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: smile_relay_conformance JSON\n";
    return 2;
  }
  Settings settings;
  smile_relay::GapDecision on_gap;
  try {
    settings = parse_settings(argv[1], on_gap);
  } catch (const std::exception& error) {
    std::cerr << "bad argument: " << error.what() << '\n';
    return 2;
  }
  settings.options.on_gap = [on_gap](const smile_relay::Gap& gap) {
    print_gap(gap);
    return on_gap;
  };
  settings.options.on_connected = print_connected;
  settings.options.on_lost = print_lost;

  smile_relay::Subscriber subscriber{settings.options};
  running = &subscriber;
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { running->stop(); });

  std::uint64_t events = 0;
  const auto began = std::chrono::steady_clock::now();
  const auto cpu_before = cpu_seconds();
  const auto result = subscriber.run([&](const smile_relay::v1::Event& event) {
    std::this_thread::sleep_for(settings.handle_time);
    if (!settings.count_only) print_event(event);
    if (++events == settings.stop_after) subscriber.stop();
    return grpc::Status::OK;
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  print_end(result, events, took.count(), cpu_seconds() - cpu_before);
  return result.ok() ? 0 : 1;
}
