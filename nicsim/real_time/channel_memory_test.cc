// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/channel_memory.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>

namespace vmmc::nicsim::real_time {
namespace {

ChannelMemory make(std::uint32_t depth, std::uint32_t longest) {
  auto memory = ChannelMemory::make(ChannelShape::of(depth, longest));
  REQUIRE(memory.ok());
  return std::move(memory.value());
}

bool can_be_mapped(int descriptor, std::size_t bytes, int protection) {
  void* const there = ::mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  if (there == MAP_FAILED) return false;
  ::munmap(there, bytes);
  return true;
}

TEST_CASE("the parts have the sizes that the layout says, and memory for all of it") {
  const ChannelMemory small = make(3, 4096);
  CHECK(small.shape.buffer_bytes == 0);
  CHECK(small.source_part.mapping.size() == wire::kSourcePagesOffset + 3 * 4096);
  CHECK(small.arrival_part.mapping.size() == wire::kArrivalBuffersOffset);
  const ChannelMemory large = make(2, 4097);
  CHECK(large.shape.buffer_bytes == 8192);
  CHECK(large.source_part.mapping.size() == wire::kSourcePagesOffset + 2 * (4096 + 8192));
  CHECK(large.arrival_part.mapping.size() == wire::kArrivalBuffersOffset + 2 * 8192);
  CHECK(large.arrival_buffer(1) + 8192 ==
        large.arrival_part.mapping.data() + large.arrival_part.mapping.size());
  CHECK(large.source_buffer(1) + 8192 ==
        large.source_part.mapping.data() + large.source_part.mapping.size());
  std::uint64_t sum = 0;
  for (const ChannelPart* part :
       {&large.source_part, &large.arrival_part, &large.demand_part, &large.verdict_part}) {
    struct stat status {};
    REQUIRE(::fstat(part->file.get(), &status) == 0);
    CHECK(static_cast<std::size_t>(status.st_size) == part->mapping.size());
    CHECK(static_cast<std::size_t>(status.st_blocks) * 512 >= part->mapping.size());
    CHECK((status.st_mode & 0777) == 0400);
    CHECK(::ftruncate(part->file.get(), 0) != 0);
    CHECK(::fcntl(part->file.get(), F_ADD_SEALS, F_SEAL_WRITE) != 0);
    sum += part->mapping.size();
  }
  CHECK(sum == large.shape.bytes());
}

TEST_CASE("a reader's descriptor cannot be mapped for writing") {
  const ChannelMemory memory = make(1, 64);
  for (const ChannelPart* part : {&memory.source_part, &memory.demand_part, &memory.verdict_part}) {
    const platform::FileDescriptor reader = part->read_only();
    REQUIRE(reader.valid());
    CHECK(can_be_mapped(reader.get(), part->mapping.size(), PROT_READ));
    CHECK(!can_be_mapped(reader.get(), part->mapping.size(), PROT_READ | PROT_WRITE));
    CHECK(::write(reader.get(), "x", 1) < 0);
  }
}

TEST_CASE("nobody gets a writable mapping of the verdict any more") {
  const ChannelMemory memory = make(1, 64);
  const std::size_t bytes = memory.verdict_part.mapping.size();
  CHECK(!can_be_mapped(memory.verdict_part.file.get(), bytes, PROT_READ | PROT_WRITE));
  CHECK(can_be_mapped(memory.source_part.file.get(), 4096, PROT_READ | PROT_WRITE));
  memory.verdict().lost.store(7);  // but nicsim has
  CHECK(memory.verdict().lost.load() == 7);
  if (::geteuid() == 0) return;  // root may open anything
  const std::string path = "/proc/self/fd/" + std::to_string(memory.source_part.file.get());
  CHECK(::open(path.c_str(), O_RDWR | O_CLOEXEC) < 0);
}

TEST_CASE(
    "the bell is rung for those who say that they sleep, and a full one does not hold nicsim up") {
  const ChannelMemory memory = make(1, 64);
  std::uint64_t heard = 0;
  memory.ring_if_asleep();
  CHECK(::read(memory.bell_heard.get(), &heard, sizeof heard) < 0);
  memory.arrival().receiver_sleeps.store(1);
  memory.ring_if_asleep();
  memory.ring_if_asleep();
  CHECK(memory.arrival().receiver_sleeps.load() == 0);
  CHECK(::read(memory.bell_heard.get(), &heard, sizeof heard) == sizeof heard);
  CHECK(::read(memory.bell_heard.get(), &heard, sizeof heard) < 0);

  const platform::FileDescriptor sender = memory.bell_for_client();
  REQUIRE(sender.valid());
  REQUIRE(::fcntl(sender.get(), F_SETFL, 0) == 0);  // one that would have writers wait
  for (int n = 0; n < 100'000; ++n) memory.ring();
  CHECK(::read(memory.bell_heard.get(), &heard, sizeof heard) == sizeof heard);
}

TEST_CASE("a client can ring and hear, also when nicsim and the other client have gone") {
  std::optional<ChannelMemory> memory = make(1, 64);
  const platform::FileDescriptor receiver = memory->bell_for_client();
  platform::FileDescriptor sender = memory->bell_for_client();
  REQUIRE(receiver.valid());
  REQUIRE(sender.valid());
  const std::uint64_t one = 1;
  std::uint64_t heard = 0;
  memory->ring();
  CHECK(::read(receiver.get(), &heard, sizeof heard) == sizeof heard);
  CHECK(::write(sender.get(), &one, sizeof one) == sizeof one);
  CHECK(::read(receiver.get(), &heard, sizeof heard) == sizeof heard);
  memory.reset();
  sender.reset();
  CHECK(::read(receiver.get(), &heard, sizeof heard) < 0);  // does not wait
  CHECK(::write(receiver.get(), &one, sizeof one) == sizeof one);
  CHECK(::read(receiver.get(), &heard, sizeof heard) == sizeof heard);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
