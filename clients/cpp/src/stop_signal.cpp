#include "stop_signal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace smile_relay {
namespace {

constexpr char kStop = 's';
constexpr char kWatchEnds = 'e';

}  // namespace

StopSignal::StopSignal() noexcept {
  if (::pipe(pipe_.data()) != 0) {
    pipe_ = {-1, -1};
    return;
  }
  for (const int end : pipe_) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  // A pipe that is full has woken its reader already: a signal handler must not wait for room.
  ::fcntl(pipe_[1], F_SETFL, O_NONBLOCK);
}

StopSignal::~StopSignal() {
  if (usable()) {
    for (const int end : pipe_) ::close(end);
  }
}

void StopSignal::request() noexcept {
  if (!requested_.exchange(true)) wake(kStop);
}

void StopSignal::wake(char why) noexcept {
  const int before = errno;
  while (::write(pipe_[1], &why, 1) < 0 && errno == EINTR) {
  }
  errno = before;  // A signal handler must leave it as it was.
}

StopSignal::Watch::Watch(StopSignal& stop, std::function<void()> on_stop) : stop_(stop) {
  thread_ = std::thread([fd = stop.pipe_[0], on_stop = std::move(on_stop)] {
    char why = kWatchEnds;
    while (::read(fd, &why, 1) < 0 && errno == EINTR) {
    }
    if (why == kStop) on_stop();
  });
}

StopSignal::Watch::~Watch() {
  stop_.wake(kWatchEnds);
  thread_.join();
}

}  // namespace smile_relay
