// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/block_memory.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "nicsim/wire/version.h"
#include "tests/support/faults/failing_system_calls.h"

using namespace vmmc;
using nicsim::BlockMemory;

namespace {

constexpr std::size_t kBytes = 4 * wire::kPageSize;

BlockMemory make(bool read_only) {
  auto made = BlockMemory::make(kBytes, read_only, kBytes);
  REQUIRE(std::holds_alternative<BlockMemory>(made));
  return std::move(std::get<BlockMemory>(made));
}

bool can_map(int fd, int protection) {
  void* const there = ::mmap(nullptr, kBytes, protection, MAP_SHARED, fd, 0);
  if (there == MAP_FAILED) return false;
  ::munmap(there, kBytes);
  return true;
}

}  // namespace

TEST_CASE("nicsim writes, a reader sees it") {
  for (const bool read_only : {false, true}) {
    const BlockMemory memory = make(read_only);
    CHECK(memory.size() == kBytes);
    memory.data()[kBytes - 1] = std::byte{42};
    const void* const there =
        ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, memory.descriptor(), 0);
    REQUIRE(there != MAP_FAILED);
    CHECK(static_cast<const std::byte*>(there)[kBytes - 1] == std::byte{42});
    ::munmap(const_cast<void*>(there), kBytes);
  }
}

TEST_CASE("what is only for reading cannot be written to in any way") {
  const BlockMemory memory = make(true);
  CHECK_FALSE(can_map(memory.descriptor(), PROT_READ | PROT_WRITE));
  // A mapping for reading cannot become another one.
  void* const there = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, memory.descriptor(), 0);
  REQUIRE(there != MAP_FAILED);
  CHECK(::mprotect(there, kBytes, PROT_READ | PROT_WRITE) != 0);
  ::munmap(there, kBytes);
  // The file belongs to nicsim's user, who may open it again as he likes.
  const std::string path = "/proc/self/fd/" + std::to_string(memory.descriptor());
  const platform::FileDescriptor again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(again.valid());
  CHECK_FALSE(can_map(again.get(), PROT_READ | PROT_WRITE));
  CHECK(::write(again.get(), "x", 1) < 0);
  CHECK(::fallocate(again.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBytes) != 0);
  CHECK(::ftruncate(again.get(), 0) != 0);
  memory.data()[0] = std::byte{1};  // we can
}

TEST_CASE("what is much is prepared in steps; nothing is there before its step") {
  constexpr std::size_t kMuch = std::size_t{3} << 20;
  for (const bool read_only : {false, true}) {
    auto made = BlockMemory::make(kMuch, read_only, 2 * wire::kPageSize);
    auto& memory = std::get<BlockMemory>(made);
    CHECK(memory.prepared() == 2 * wire::kPageSize);
    const auto allocated = [&] {
      struct stat facts {};
      REQUIRE(::fstat(memory.descriptor(), &facts) == 0);
      return static_cast<std::size_t>(facts.st_blocks) * 512;
    };
    CHECK(allocated() == memory.prepared());
    for (std::size_t before = 0; memory.prepared() < kMuch;) {
      before = memory.prepared();
      REQUIRE(memory.prepare());
      CHECK(memory.prepared() > before);
      CHECK(allocated() == memory.prepared());
    }
    CHECK(memory.prepare());
    CHECK(memory.prepared() == kMuch);
    memory.data()[kMuch - 1] = std::byte{1};
  }
}

TEST_CASE("a step that finds no memory says so") {
  auto made = BlockMemory::make(std::size_t{1} << 20, false, wire::kPageSize);
  auto& memory = std::get<BlockMemory>(made);
  {
    const tests::FailingSystemCalls faults(1, ENOSPC);
    CHECK_FALSE(memory.prepare());
  }
  CHECK(memory.prepared() == wire::kPageSize);
}

TEST_CASE("an exclusive consumer can write, but not change what the next one may do") {
  const BlockMemory memory = make(false);
  CHECK(can_map(memory.descriptor(), PROT_READ | PROT_WRITE));
  CHECK(::fcntl(memory.descriptor(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) != 0);
  CHECK(::ftruncate(memory.descriptor(), 0) != 0);
  CHECK(::ftruncate(memory.descriptor(), 2 * kBytes) != 0);
}
