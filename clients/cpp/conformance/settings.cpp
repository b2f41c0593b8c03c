#include "settings.hpp"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace {

using nlohmann::json;

smile_relay::v1::EventFilter parse_filter(const json& filter) {
  smile_relay::v1::EventFilter parsed;
  for (const std::string name : filter.value("types", json::array())) {
    smile_relay::v1::EventType type;
    if (!smile_relay::v1::EventType_Parse(name, &type)) throw std::invalid_argument("no such type: " + name);
    parsed.add_types(type);
  }
  for (const std::string name : filter.value("type_names", json::array())) parsed.add_type_names(name);
  for (const std::string user : filter.value("user_ids", json::array())) parsed.add_user_ids(user);
  for (const std::string endpoint : filter.value("endpoints", json::array())) parsed.add_endpoints(endpoint);
  return parsed;
}

}  // namespace

Settings parse_settings(const std::string& argument, smile_relay::GapDecision& on_gap) {
  const auto given = json::parse(argument);
  const auto text = [&given](const char* name) { return given.value(name, std::string{}); };
  const auto is_set = [&given](const char* name) { return given.value(name, false); };

  Settings settings;
  auto& options = settings.options;
  options.target = given.at("target").get<std::string>();
  if (given.contains("ca_file")) {
    smile_relay::Tls tls;
    tls.ca_file = text("ca_file");
    tls.server_name = text("server_name");
    options.tls = tls;
  }
  options.token_file = text("token_file");
  const auto start = given.value("start", std::string{"latest"});
  if (start == "earliest") {
    options.start = smile_relay::Earliest{};
  } else if (start != "latest") {
    throw std::invalid_argument("start: latest or earliest");
  }
  if (given.contains("cursor_file")) {
    options.cursor_store = std::make_shared<smile_relay::FileCursorStore>(text("cursor_file"));
  }
  options.filter = parse_filter(given.value("filter", json::object()));
  options.include_raw_body = is_set("include_raw_body");
  options.heartbeat_interval = std::chrono::milliseconds{given.value("heartbeat_interval_ms", 15'000)};
  options.max_event_bytes = given.value("max_event_bytes", options.max_event_bytes);
  options.fetch_omitted = is_set("fetch_omitted");
  options.stop_when_caught_up = is_set("stop_when_caught_up");
  options.consumer = text("consumer");
  options.backoff_max = std::chrono::milliseconds{given.value("backoff_max_ms", 10'000)};
  options.backoff_initial = std::min(options.backoff_initial, options.backoff_max);
  const auto gap = given.value("on_gap", std::string{"fail"});
  if (gap == "earliest") {
    on_gap = smile_relay::Earliest{};
  } else if (gap == "latest") {
    on_gap = smile_relay::Latest{};
  } else if (gap == "fail") {
    on_gap = smile_relay::Fail{};
  } else {
    throw std::invalid_argument("on_gap: fail, earliest or latest");
  }
  settings.handle_time = std::chrono::milliseconds{given.value("handle_ms", 0)};
  settings.stop_after = given.value("stop_after", std::uint64_t{0});
  settings.count_only = is_set("count_only");
  return settings;
}
