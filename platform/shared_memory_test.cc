// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/shared_memory.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/faults/open_descriptors.h"

namespace vmmc::platform {
namespace {

using tests::count_open_descriptors;
using tests::FailingSystemCalls;

constexpr std::size_t kPage = 4096;
constexpr char kLabel[] = "vmmc-platform-test";

FileDescriptor create(std::size_t bytes) {
  Result<FileDescriptor> file = create_shared_memory(kLabel, bytes);
  REQUIRE(file.ok());
  return std::move(file.value());
}

SharedMapping map(int fd, std::size_t bytes) {
  Result<SharedMapping> mapping = SharedMapping::map(fd, bytes);
  REQUIRE(mapping.ok());
  return std::move(mapping.value());
}

// How many mappings of memory with our label this process has.
std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(kLabel) != std::string::npos) ++count;
  }
  return count;
}

// The soft limit on the size of files, put back at the end.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_CASE("new memory is zero, allocated in full and close-on-exec") {
  constexpr std::size_t kBytes = 64 * kPage;
  const FileDescriptor file = create(kBytes);
  struct stat status {};
  REQUIRE(::fstat(file.get(), &status) == 0);
  CHECK(status.st_size == kBytes);
  CHECK(static_cast<std::size_t>(status.st_blocks) * 512 >= kBytes);
  CHECK((::fcntl(file.get(), F_GETFD) & FD_CLOEXEC) != 0);
  const SharedMapping mapping = map(file.get(), kBytes);
  CHECK(std::all_of(mapping.data(), mapping.data() + kBytes,
                    [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_CASE("its size cannot change any more") {
  const FileDescriptor file = create(2 * kPage);
  errno = 0;
  CHECK(::ftruncate(file.get(), kPage) == -1);
  CHECK(errno == EPERM);
  errno = 0;
  CHECK(::ftruncate(file.get(), 3 * kPage) == -1);
  CHECK(errno == EPERM);
}

TEST_CASE("sizes that cannot be had are errors") {
  const Result<FileDescriptor> empty = create_shared_memory(kLabel, 0);
  REQUIRE_FALSE(empty.ok());
  CHECK(empty.error().number == EINVAL);
  CHECK_FALSE(create_shared_memory(kLabel, SIZE_MAX).ok());
}

TEST_CASE("the limit on file sizes is an error, not a deadly signal") {
  const FileSizeLimit limit(1 << 20);
  CHECK(create_shared_memory(kLabel, 1 << 20).ok());
  const Result<FileDescriptor> file = create_shared_memory(kLabel, (1 << 20) + kPage);
  REQUIRE_FALSE(file.ok());
  CHECK(file.error().number == EFBIG);
}

TEST_CASE("sealed shared memory is recognised") {
  const FileDescriptor file = create(2 * kPage);
  CHECK(is_sealed_shared_memory(file.get(), kPage));
  CHECK(is_sealed_shared_memory(file.get(), 2 * kPage));
  CHECK_FALSE(is_sealed_shared_memory(file.get(), 2 * kPage + 1));
}

TEST_CASE("what could shrink, or is no memory, is not taken for it") {
  CHECK_FALSE(is_sealed_shared_memory(-1, 0));
  const FileDescriptor device(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  CHECK_FALSE(is_sealed_shared_memory(device.get(), 0));
  const FileDescriptor open_ended(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(::ftruncate(open_ended.get(), kPage) == 0);
  CHECK_FALSE(is_sealed_shared_memory(open_ended.get(), kPage));
  REQUIRE(::fcntl(open_ended.get(), F_ADD_SEALS, F_SEAL_GROW) == 0);
  CHECK_FALSE(is_sealed_shared_memory(open_ended.get(), kPage));
  REQUIRE(::fcntl(open_ended.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  CHECK_FALSE(is_sealed_shared_memory(open_ended.get(), kPage));  // nothing but a hole
  REQUIRE(::posix_fallocate(open_ended.get(), 0, kPage) == 0);
  CHECK(is_sealed_shared_memory(open_ended.get(), kPage));
}

TEST_CASE("two mappings show the same memory, also in another process") {
  const FileDescriptor file = create(2 * kPage);
  const SharedMapping one = map(file.get(), 2 * kPage);
  const SharedMapping other = map(file.get(), 2 * kPage);
  REQUIRE(one.data() != other.data());
  one.data()[2 * kPage - 1] = std::byte{7};
  CHECK(other.data()[2 * kPage - 1] == std::byte{7});
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    other.data()[0] = std::byte{9};
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(one.data()[0] == std::byte{9});
}

TEST_CASE("a mapping is as large as asked for, outlives the descriptor, and ends with its owner") {
  REQUIRE(count_mappings() == 0);
  FileDescriptor file = create(3 * kPage);
  {
    SharedMapping mapping = map(file.get(), 2 * kPage);
    file.reset();
    CHECK(mapping.size() == 2 * kPage);
    mapping.data()[0] = std::byte{7};
    CHECK(count_mappings() == 1);
    const SharedMapping moved = std::move(mapping);
    CHECK(moved.data()[0] == std::byte{7});
    CHECK(count_mappings() == 1);
  }
  CHECK(count_mappings() == 0);
}

TEST_CASE("an empty mapping has no memory") {
  const SharedMapping none;
  CHECK(none.data() == nullptr);
  CHECK(none.size() == 0);
}

TEST_CASE("what cannot be mapped is an error") {
  const FileDescriptor file = create(kPage);
  const Result<SharedMapping> nothing = SharedMapping::map(file.get(), 0);
  REQUIRE_FALSE(nothing.ok());
  CHECK(nothing.error().number == EINVAL);
  const Result<SharedMapping> nowhere = SharedMapping::map(-1, kPage);
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().number == EBADF);
}

TEST_CASE("whichever call fails: its error, and nothing left behind") {
  const std::size_t descriptors = count_open_descriptors();
  const std::string names[] = {"memfd_create", "allocate", "add_seals", "mmap"};
  unsigned n = 1;
  for (;; ++n) {
    CAPTURE(n);
    FailingSystemCalls faults(n, ENOSPC);
    const Result<FileDescriptor> file = create_shared_memory(kLabel, kPage);
    SystemError error = file.error();
    bool ok = file.ok();
    if (ok) {
      const Result<SharedMapping> mapping = SharedMapping::map(file.value().get(), kPage);
      ok = mapping.ok();
      error = mapping.error();
      CHECK(count_mappings() == (ok ? 1 : 0));
    } else {
      CHECK(count_open_descriptors() == descriptors);
    }
    CHECK(ok == (faults.failed_call() == nullptr));
    if (ok) break;
    CHECK(error.number == ENOSPC);
    REQUIRE(n <= std::size(names));
    CHECK(faults.failed_call() == names[n - 1]);
  }
  CHECK(n == std::size(names) + 1);
  CHECK(count_open_descriptors() == descriptors);
  CHECK(count_mappings() == 0);
}

TEST_CASE("an interrupted allocation is tried again") {
  FailingSystemCalls faults(2, EINTR);
  CHECK(create_shared_memory(kLabel, kPage).ok());
  REQUIRE(faults.failed_call() != nullptr);
  CHECK(faults.failed_call() == std::string("allocate"));
}

}  // namespace
}  // namespace vmmc::platform
