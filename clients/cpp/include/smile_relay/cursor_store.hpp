// Where a subscription keeps its place in the log.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

namespace smile_relay {

/// Keeps the cursor to resume after. Both calls come from the thread that is in Subscriber::run.
///
/// An application that commits the cursor together with the effect of an event does so in its handler, and gives a
/// store whose `save` does nothing.
class CursorStore {
 public:
  virtual ~CursorStore() = default;

  /// Sets `cursor` to what was kept; leaves it empty if there is nothing. An error ends the subscription.
  virtual grpc::Status load(std::string& cursor) = 0;

  /// Keeps `cursor`. Called after each handled event, and for checkpoints. An error ends the subscription.
  virtual grpc::Status save(const std::string& cursor) = 0;
};

/// Keeps the cursor for as long as the process lives.
class MemoryCursorStore final : public CursorStore {
 public:
  grpc::Status load(std::string& cursor) override;
  grpc::Status save(const std::string& cursor) override;

 private:
  std::string cursor_;
};

/// Keeps the cursor in a file, as text and a newline.
///
/// `save` writes a file beside it (its name and ".tmp"), fsyncs that, and renames it over, so that a crash leaves the
/// old cursor or the new one. One subscription uses a file at a time. A file that is missing or blank holds no cursor.
class FileCursorStore final : public CursorStore {
 public:
  explicit FileCursorStore(std::string path);

  grpc::Status load(std::string& cursor) override;
  grpc::Status save(const std::string& cursor) override;

 private:
  std::string path_;
};

}  // namespace smile_relay
