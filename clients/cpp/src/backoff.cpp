#include "backoff.hpp"

#include <algorithm>

namespace smile_relay {

using std::chrono::milliseconds;

Backoff::Backoff(milliseconds initial, milliseconds max, std::mt19937_64::result_type seed)
    : initial_(std::min(initial, max)), max_(max), ceiling_(initial_), random_(seed) {}

milliseconds Backoff::next(milliseconds at_least) {
  const auto whole = ceiling_.count();
  std::uniform_int_distribution<milliseconds::rep> between(whole / 2, whole);
  // Compared before it is doubled, which could overflow.
  ceiling_ = ceiling_ > max_ / 2 ? max_ : ceiling_ * 2;
  return std::max(milliseconds{between(random_)}, at_least);
}

}  // namespace smile_relay
