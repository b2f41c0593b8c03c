// How long to wait before the next attempt.
#pragma once

#include <chrono>
#include <random>

namespace smile_relay {

/// Random between half and the whole of a ceiling, which doubles with each failure in a row.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds initial, std::chrono::milliseconds max,
          std::mt19937_64::result_type seed = std::random_device{}());

  /// The delay after one more failure, and never below `at_least`, which the relay asked for.
  std::chrono::milliseconds next(std::chrono::milliseconds at_least);

  /// The relay was heard: the next failure is the first in a row.
  void reset() { ceiling_ = initial_; }

 private:
  std::chrono::milliseconds initial_;
  std::chrono::milliseconds max_;
  std::chrono::milliseconds ceiling_;
  std::mt19937_64 random_;
};

}  // namespace smile_relay
