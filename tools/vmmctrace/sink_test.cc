// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/sink.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace vmmc::trace_tool {
namespace {

const std::string kDirectory = std::getenv("TEST_TMPDIR");
const std::string kInput = kDirectory + "/input";

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

bool exists(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

Failure refused(const std::string& path, bool overwrite) {
  const auto outcome = Sink::open(path, kInput, overwrite);
  REQUIRE(std::holds_alternative<Failure>(outcome));
  return std::get<Failure>(outcome);
}

void write_to(const std::string& path, const std::string& text, bool overwrite) {
  auto outcome = Sink::open(path, kInput, overwrite);
  REQUIRE(std::holds_alternative<Sink>(outcome));
  auto& sink = std::get<Sink>(outcome);
  for (const char c : text) {
    sink.text() += c;
    sink.flush_if_full();
  }
  CHECK_FALSE(sink.close().has_value());
}

TEST_CASE("everything arrives, in pieces too") {
  const std::string path = kDirectory + "/new";
  std::string text;
  for (int i = 0; i < 200000; ++i) text += static_cast<char>('a' + i % 23);
  write_to(path, text, false);
  CHECK(content(path) == text);
}

TEST_CASE("a file that has something in it is kept, unless it is to be overwritten") {
  const std::string path = kDirectory + "/kept";
  put(path, "a long text");
  CHECK(refused(path, false).exit_code == kExitOutputExists);
  CHECK(content(path) == "a long text");
  write_to(path, "short", true);
  CHECK(content(path) == "short");
  put(path, "");
  write_to(path, "filled", false);
  CHECK(content(path) == "filled");
}

TEST_CASE("the trace itself is never overwritten, under no name") {
  put(kInput, "trace");
  CHECK(refused(kInput, true).exit_code == kExitOutputExists);
  const std::string link = kDirectory + "/link";
  REQUIRE(::symlink(kInput.c_str(), link.c_str()) == 0);
  CHECK(refused(link, true).what == link + ": is the trace itself");
  CHECK(content(kInput) == "trace");
}

TEST_CASE("what the system refuses") {
  CHECK(refused(kDirectory, false).exit_code == kExitUnwritable);
  CHECK(refused(kDirectory + "/absent/file", false).exit_code == kExitUnwritable);
  auto full = Sink::open("/dev/full", kInput, false);
  REQUIRE(std::holds_alternative<Sink>(full));
  auto& sink = std::get<Sink>(full);
  for (int i = 0; i < 100; ++i) {
    sink.text().append(10000, 'x');
    sink.flush_if_full();
  }
  const auto failure = sink.close();
  REQUIRE(failure.has_value());
  CHECK(failure->exit_code == kExitUnwritable);
  CHECK(failure->what == "/dev/full: No space left on device");
  CHECK(exists("/dev/full"));
}

}  // namespace
}  // namespace vmmc::trace_tool
