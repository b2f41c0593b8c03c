// What the driver asks for: the program's one argument, a JSON object.
#pragma once

#include <smile_relay/options.hpp>

#include <chrono>
#include <cstdint>
#include <string>

struct Settings {
  smile_relay::Options options;
  std::chrono::milliseconds handle_time{0};
  std::uint64_t stop_after = 0;
  bool count_only = false;
};

/// Throws std::exception, with what is wrong, for an argument that can't be followed. `on_gap` and the callbacks are
/// left to the caller, but for the decision.
Settings parse_settings(const std::string& argument, smile_relay::GapDecision& on_gap);
