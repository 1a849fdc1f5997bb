// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/file_descriptor.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <type_traits>
#include <utility>

namespace vmmc::platform {
namespace {

int open_something() {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  return fd;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

static_assert(!std::is_copy_constructible_v<FileDescriptor>);
static_assert(!std::is_copy_assignable_v<FileDescriptor>);
static_assert(std::is_nothrow_move_constructible_v<FileDescriptor>);

TEST_CASE("an empty one owns nothing") {
  FileDescriptor empty;
  CHECK_FALSE(empty.valid());
  CHECK(empty.get() == -1);
  CHECK(empty.release() == -1);
}

TEST_CASE("what a failed call returned is owned as nothing") {
  CHECK_FALSE(FileDescriptor(-1).valid());
}

TEST_CASE("0 is a descriptor like any other") {
  FileDescriptor standard_input(0);
  CHECK(standard_input.valid());
  CHECK(standard_input.release() == 0);
}

TEST_CASE("closed when its owner ends") {
  const int fd = open_something();
  {
    const FileDescriptor owner(fd);
    CHECK(owner.get() == fd);
    CHECK(is_open(fd));
  }
  CHECK_FALSE(is_open(fd));
}

TEST_CASE("a released descriptor stays open") {
  const int fd = open_something();
  {
    FileDescriptor owner(fd);
    CHECK(owner.release() == fd);
    CHECK_FALSE(owner.valid());
  }
  REQUIRE(is_open(fd));
  ::close(fd);
}

TEST_CASE("reset closes the old one and owns the new one") {
  const int first = open_something();
  const int second = open_something();
  FileDescriptor owner(first);
  owner.reset(second);
  CHECK_FALSE(is_open(first));
  CHECK(owner.get() == second);
  CHECK(is_open(second));
  owner.reset();
  CHECK_FALSE(is_open(second));
  CHECK_FALSE(owner.valid());
}

TEST_CASE("moving hands over, by construction and by assignment") {
  const int first = open_something();
  const int second = open_something();
  FileDescriptor source(first);
  FileDescriptor target(std::move(source));
  CHECK_FALSE(source.valid());  // NOLINT(bugprone-use-after-move): it is promised to be empty
  CHECK(target.get() == first);

  FileDescriptor other(second);
  target = std::move(other);
  CHECK_FALSE(is_open(first));
  CHECK_FALSE(other.valid());  // NOLINT(bugprone-use-after-move)
  CHECK(target.get() == second);
  CHECK(is_open(second));
}

TEST_CASE("moving to itself keeps the descriptor") {
  FileDescriptor owner(open_something());
  FileDescriptor& same = owner;
  owner = std::move(same);
  REQUIRE(owner.valid());
  CHECK(is_open(owner.get()));
}

}  // namespace
}  // namespace vmmc::platform
