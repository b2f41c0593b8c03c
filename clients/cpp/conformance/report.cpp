#include "report.hpp"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <boost/multiprecision/cpp_dec_float.hpp>
#include <boost/multiprecision/cpp_int.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using nlohmann::ordered_json;
namespace v1 = smile_relay::v1;

void print(const char* what, ordered_json content) {
  // Text that is not UTF-8 can't come in a protobuf string, but in what a library says about an error.
  std::cout << ordered_json{{what, std::move(content)}}.dump(-1, ' ', false, ordered_json::error_handler_t::replace)
            << std::endl;
}

/// How many digits a JSON number has behind its point, in plain notation.
int fraction_digits(const std::string& number) {
  const auto e = number.find_first_of("eE");
  const auto mantissa = number.substr(0, e);
  const auto point = mantissa.find('.');
  const auto behind = point == std::string::npos ? 0 : static_cast<int>(mantissa.size() - point - 1);
  const auto exponent = e == std::string::npos ? 0 : std::stoi(number.substr(e + 1));
  return std::max(0, behind - exponent);
}

/// By way of the decimal type, which keeps the value and not the zeros behind it: those are counted.
std::string plain(const std::string& number) {
  const boost::multiprecision::cpp_dec_float_100 value{number};
  const auto digits = fraction_digits(number);
  // The library takes 0 for all that the type can hold.
  if (digits == 0) return value.convert_to<boost::multiprecision::cpp_int>().str();
  return value.str(digits, std::ios_base::fixed);
}

const char* omitted_reason(const v1::Event& event) {
  switch (event.omitted().reason()) {
    case v1::OMITTED_REASON_TOO_LARGE:
      return "TOO_LARGE";
    case v1::OMITTED_REASON_ERASED:
      return "ERASED";
    default:
      return "";
  }
}

std::string data_field(const v1::Event& event) {
  const auto* data = v1::Event::descriptor()->FindOneofByName("data");
  const auto* field = event.GetReflection()->GetOneofFieldDescriptor(event, data);
  return field ? field->name() : "";
}

const char* end_name(smile_relay::Result::End end) {
  switch (end) {
    case smile_relay::Result::End::stopped:
      return "stopped";
    case smile_relay::Result::End::caught_up:
      return "caught_up";
    case smile_relay::Result::End::failed:
      break;
  }
  return "failed";
}

}  // namespace

void print_event(const v1::Event& event) {
  ordered_json line{
      {"sequence", event.sequence()},   {"id", event.id()},         {"type", v1::EventType_Name(event.type())},
      {"type_name", event.type_name()}, {"cursor", event.cursor()}, {"user_id", event.user_id()},
  };
  if (event.has_created_at()) line["created_at"] = google::protobuf::util::TimeUtil::ToString(event.created_at());
  line["data"] = data_field(event);
  line["omitted"] = omitted_reason(event);
  line["issues"] = event.decode_issues_size();
  line["raw_bytes"] = event.raw_body().size();
  const auto& incomes = event.task_finished().payload().incomes();
  if (incomes.items_size() > 0 && incomes.items(0).has_net_amount()) {
    line["net_amount"] = plain(incomes.items(0).net_amount().value());
  }
  print("event", std::move(line));
}

void print_connected(const smile_relay::Connected& connected) { print("connected", {{"after", connected.after}}); }

void print_lost(const smile_relay::Lost& lost) {
  print("lost", {{"code", lost.dead ? "DEAD" : smile_relay::code_name(lost.code)},
                 {"reason", lost.reason},
                 {"message", lost.message},
                 {"delay_ms", lost.delay.count()}});
}

void print_gap(const smile_relay::Gap& gap) {
  print(
      "gap",
      {{"reason", gap.reason}, {"asked", gap.asked}, {"earliest", gap.earliest_cursor}, {"latest", gap.latest_cursor}});
}

void print_end(const smile_relay::Result& result, std::uint64_t events, double seconds, double cpu_seconds) {
  const auto& error = result.error;
  print("end", {{"how", end_name(result.end)},
                {"code", result.ok() ? "" : smile_relay::code_name(error.code)},
                {"reason", error.reason},
                {"message", error.message},
                {"events", events},
                {"seconds", seconds},
                {"cpu_seconds", cpu_seconds}});
}
