#include "smile_relay/cursor_store.hpp"

#include <gtest/gtest.h>

#include "temporary_directory.hpp"

namespace smile_relay {
namespace {

TEST(FileCursorStore, HoldsNothingAtFirst) {
  const TemporaryDirectory directory;
  FileCursorStore store{directory.path("cursor")};
  std::string cursor = "left over";
  EXPECT_TRUE(store.load(cursor).ok());
  EXPECT_EQ(cursor, "");
}

TEST(FileCursorStore, KeepsACursorAsTextAndANewline) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(FileCursorStore{directory.path("cursor")}.save("c-1").ok());
  EXPECT_EQ(directory.read("cursor"), "c-1\n");
  std::string cursor;
  EXPECT_TRUE(FileCursorStore{directory.path("cursor")}.load(cursor).ok());
  EXPECT_EQ(cursor, "c-1");
}

TEST(FileCursorStore, ReplacesTheFileInsteadOfWritingToIt) {
  const TemporaryDirectory directory;
  FileCursorStore store{directory.path("cursor")};
  ASSERT_TRUE(store.save("old").ok());
  std::ifstream before{directory.path("cursor")};
  ASSERT_TRUE(store.save("new").ok());
  std::string kept;
  std::getline(before, kept);
  EXPECT_EQ(kept, "old") << "the old file was written to: a crash could have left half a cursor";
  EXPECT_EQ(directory.read("cursor"), "new\n");
}

TEST(FileCursorStore, OverwritesWhatACrashLeftBeside) {
  const TemporaryDirectory directory;
  directory.write("cursor.tmp", "half of something that was much longer than a cursor");
  FileCursorStore store{directory.path("cursor")};
  ASSERT_TRUE(store.save("c-1").ok());
  EXPECT_EQ(directory.read("cursor"), "c-1\n");
  EXPECT_FALSE(std::filesystem::exists(directory.path("cursor.tmp")));
}

TEST(FileCursorStore, LeavesTheOldCursorWhenItCannotWrite) {
  const TemporaryDirectory directory;
  FileCursorStore store{directory.path("cursor")};
  ASSERT_TRUE(store.save("old").ok());
  std::filesystem::create_directory(directory.path("cursor.tmp"));
  const auto status = store.save("new");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.error_message().find(directory.path("cursor.tmp")), std::string::npos) << status.error_message();
  EXPECT_EQ(directory.read("cursor"), "old\n");
}

TEST(FileCursorStore, TakesABlankFileForNoCursor) {
  const TemporaryDirectory directory;
  FileCursorStore store{directory.write("cursor", "\n")};
  std::string cursor;
  EXPECT_TRUE(store.load(cursor).ok());
  EXPECT_EQ(cursor, "");
}

TEST(FileCursorStore, RefusesAFileThatHoldsSomethingElse) {
  const TemporaryDirectory directory;
  for (const auto& content : {std::string{"two words\n"}, std::string(5000, 'x')}) {
    FileCursorStore store{directory.write("cursor", content)};
    std::string cursor;
    EXPECT_FALSE(store.load(cursor).ok());
    EXPECT_EQ(cursor, "");
  }
  std::string cursor;
  EXPECT_FALSE(FileCursorStore{directory.path("")}.load(cursor).ok()) << "a directory";
}

TEST(FileCursorStore, TakesAPathWithoutADirectory) {
  const TemporaryDirectory directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path(""));
  const auto status = FileCursorStore{"cursor"}.save("c-1");
  std::filesystem::current_path(before);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(directory.read("cursor"), "c-1\n");
}

}  // namespace
}  // namespace smile_relay
