#include "smile_relay/cursor_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace smile_relay {
namespace {

/// What errno says about a file.
grpc::Status failed(const char* what, const std::string& path) {
  const auto why = std::generic_category().message(errno);
  return {grpc::StatusCode::INTERNAL, std::string{"can't "} + what + " " + path + ": " + why};
}

/// A file descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  /// Fewer than `size` bytes at the end of the file only; less than 0 on error.
  ssize_t read(char* to, std::size_t size) const {
    ssize_t got = 0;
    do got = ::read(fd_, to, size);
    while (got < 0 && errno == EINTR);
    return got;
  }

  [[nodiscard]] bool write(const std::string& text) const {
    for (std::size_t done = 0; done < text.size();) {
      const auto wrote = ::write(fd_, text.data() + done, text.size() - done);
      if (wrote < 0 && errno != EINTR) return false;
      if (wrote > 0) done += static_cast<std::size_t>(wrote);
    }
    return true;
  }

  [[nodiscard]] bool sync() const { return ::fsync(fd_) == 0; }

 private:
  int fd_;
};

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

grpc::Status MemoryCursorStore::load(std::string& cursor) {
  cursor = cursor_;
  return grpc::Status::OK;
}

grpc::Status MemoryCursorStore::save(const std::string& cursor) {
  cursor_ = cursor;
  return grpc::Status::OK;
}

FileCursorStore::FileCursorStore(std::string path) : path_(std::move(path)) {}

grpc::Status FileCursorStore::load(std::string& cursor) {
  cursor.clear();
  const File file{path_, O_RDONLY};
  if (!file.is_open()) return errno == ENOENT ? grpc::Status::OK : failed("open", path_);
  // A cursor has 64 characters at most: what is much longer is another file.
  std::array<char, 1024> buffer{};
  const auto size = file.read(buffer.data(), buffer.size());
  if (size < 0) return failed("read", path_);
  const std::string text{buffer.data(), static_cast<std::size_t>(size)};
  constexpr auto kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return grpc::Status::OK;
  cursor = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
  if (text.size() < buffer.size() && cursor.find_first_of(kBlanks) == std::string::npos) return grpc::Status::OK;
  cursor.clear();
  return {grpc::StatusCode::INTERNAL, path_ + " does not hold a cursor: give another path, or delete it to start anew"};
}

grpc::Status FileCursorStore::save(const std::string& cursor) {
  const auto beside = path_ + ".tmp";
  {
    const File file{beside, O_WRONLY | O_CREAT | O_TRUNC};
    if (!file.is_open()) return failed("open", beside);
    if (!file.write(cursor + "\n")) return failed("write", beside);
    if (!file.sync()) return failed("fsync", beside);
  }
  if (std::rename(beside.c_str(), path_.c_str()) != 0) return failed("rename to", path_);
  // So that the new name outlasts a power cut. Some file systems can't, and don't need to: the old cursor is valid too.
  const File directory{directory_of(path_), O_RDONLY | O_DIRECTORY};
  if (directory.is_open()) static_cast<void>(directory.sync());
  return grpc::Status::OK;
}

}  // namespace smile_relay
