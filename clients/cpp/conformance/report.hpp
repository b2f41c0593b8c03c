// What the program prints: one JSON object a line.
#pragma once

#include <smile_relay/options.hpp>

#include <cstdint>

void print_event(const smile_relay::v1::Event& event);
void print_connected(const smile_relay::Connected& connected);
void print_lost(const smile_relay::Lost& lost);
void print_gap(const smile_relay::Gap& gap);
void print_end(const smile_relay::Result& result, std::uint64_t events, double seconds, double cpu_seconds);
