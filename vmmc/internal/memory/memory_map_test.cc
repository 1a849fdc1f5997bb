// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/memory_map.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/faults/failing_system_calls.h"

namespace vmmc::internal {
namespace {

constexpr char kMap[] =
    "00010000-00020000 rw-p 00000000 00:00 0 \n"
    "00020000-00021000 r--p 00000000 00:00 0 \n"
    "00021000-00022000 -w-p 00000000 00:00 0 \n"
    "00022000-00023000 rwxp 00000000 00:00 0 \n"
    "00023000-00024000 rw-s 00000000 00:01 2048                       /memfd:vmmc (deleted)\n"
    "00024000-00025000 rw-p 00000000 00:00 0                          [heap]\n"
    "00030000-00031000 rw-p 00000000 00:00 0                          [stack]\n"
    "00031000-00032000 r--p 00000000 00:00 0                          [vvar]\n"
    "00040000-00240000 rw-p 00000000 00:10 7     /anon_hugepage (deleted)\n"
    "7ffff7fc1000-7ffff7fc3000 ---p 00000000 00:00 0 \n";

MemoryAnswer check(std::uintptr_t begin, std::uintptr_t end,
                   std::span<const ThreadMemory> except = {}) {
  return MemoryMap::parse(kMap).check({begin, end}, except);
}

TEST_CASE("a line is taken apart") {
  const MemoryMap map = MemoryMap::parse(
      "7f0000001000-7f0000003000 rw-s 00002000 fd:01 4711       /tmp/a file (deleted)\n");
  const MemoryRegion* region = map.region_at(0x7f0000002fff);
  REQUIRE(region != nullptr);
  CHECK(region->range == PageRange{0x7f0000001000, 0x7f0000003000});
  CHECK(region->readable);
  CHECK(region->writable);
  CHECK_FALSE(region->executable);
  CHECK(region->shared);
  CHECK(region->of_file);
  CHECK(region->name == "/tmp/a file (deleted)");
  CHECK(map.region_at(0x7f0000000fff) == nullptr);
  CHECK(map.region_at(0x7f0000003000) == nullptr);
}

TEST_CASE("lines that make no sense are left out") {
  const MemoryMap map = MemoryMap::parse(
      "\n"
      "nonsense\n"
      "2000-1000 rw-p 00000000 00:00 0 \n"
      "3000-4000 rw-p\n"
      "5000-6000 rw-p 00000000 00:00 0");  // the last one without its end of line
  CHECK(map.region_at(0x1000) == nullptr);
  CHECK(map.region_at(0x3000) == nullptr);
  REQUIRE(map.region_at(0x5000) != nullptr);
  CHECK(map.region_at(0x5000)->name.empty());
  CHECK(MemoryMap::parse("").check({0x1000, 0x2000}).refusal == MemoryRefusal::kUnmapped);
}

TEST_CASE("private readable and writable memory is allowed") {
  CHECK(check(0x10000, 0x20000).refusal == MemoryRefusal::kNone);
  CHECK(check(0x11000, 0x12000).refusal == MemoryRefusal::kNone);
  CHECK(check(0x24000, 0x25000).refusal == MemoryRefusal::kNone);
  const MemoryMap two = MemoryMap::parse(
      "1000-2000 rw-p 00000000 00:00 0 \n2000-3000 rw-p 00000000 00:00 0 [heap]\n");
  CHECK(two.check({0x1000, 0x3000}).refusal == MemoryRefusal::kNone);
}

TEST_CASE("all other memory is refused with its reason") {
  CHECK(check(0x20000, 0x21000).refusal == MemoryRefusal::kNotWritable);
  CHECK(check(0x21000, 0x22000).refusal == MemoryRefusal::kNotReadable);
  CHECK(check(0x22000, 0x23000).refusal == MemoryRefusal::kExecutable);
  CHECK(check(0x23000, 0x24000).refusal == MemoryRefusal::kShared);
  CHECK(check(0x25000, 0x26000).refusal == MemoryRefusal::kUnmapped);
  CHECK(check(0x30000, 0x31000).refusal == MemoryRefusal::kStack);
  CHECK(check(0x31000, 0x32000).refusal == MemoryRefusal::kSpecial);
  CHECK(check(0x50000, 0x51000).refusal == MemoryRefusal::kHugePages);
  CHECK(check(0x7ffff7fc1000, 0x7ffff7fc2000).refusal == MemoryRefusal::kNotReadable);
}

TEST_CASE("the answer names the first pages concerned") {
  CHECK(check(0x1f000, 0x24000).where == PageRange{0x20000, 0x21000});
  CHECK(check(0x24000, 0x26000).where == PageRange{0x25000, 0x26000});
  CHECK(check(0x24000, 0x31000).where == PageRange{0x25000, 0x30000});
  CHECK(check(0xf000, 0x11000).where == PageRange{0xf000, 0x10000});
  CHECK(describe(check(0x24000, 0x26000)) == "the memory from 0x25000 to 0x26000 is not mapped");
  CHECK(describe(check(0x20000, 0x21000)) == "the memory from 0x20000 to 0x21000 is not writable");
}

TEST_CASE("excepted memory is refused where it overlaps") {
  const ThreadMemory except[] = {{{0x12000, 0x13000}, MemoryRefusal::kThreadStorage},
                                 {{0x14000, 0x16000}, MemoryRefusal::kStack}};
  CHECK(check(0x10000, 0x12000, except).refusal == MemoryRefusal::kNone);
  CHECK(check(0x13000, 0x14000, except).refusal == MemoryRefusal::kNone);
  CHECK(check(0x11000, 0x13000, except).refusal == MemoryRefusal::kThreadStorage);
  const MemoryAnswer stack = check(0x15000, 0x18000, except);
  CHECK(stack.refusal == MemoryRefusal::kStack);
  CHECK(stack.where == PageRange{0x15000, 0x16000});
}

TEST_CASE("the map of the living process is read in full") {
  const auto map = MemoryMap::read();
  REQUIRE(map.ok());
  int local = 0;
  const MemoryRegion* stack = map.value().region_at(reinterpret_cast<std::uintptr_t>(&local));
  REQUIRE(stack != nullptr);
  CHECK(stack->name == "[stack]");
  const MemoryRegion* code = map.value().region_at(reinterpret_cast<std::uintptr_t>(&describe));
  REQUIRE(code != nullptr);
  CHECK(code->executable);
  CHECK(code->of_file);
}

TEST_CASE("a map that cannot be opened is an error") {
  const tests::FailingSystemCalls faults(1, EMFILE);
  const auto map = MemoryMap::read();
  REQUIRE_FALSE(map.ok());
  CHECK(std::string(map.error().call) == "open");
  CHECK(map.error().number == EMFILE);
}

}  // namespace
}  // namespace vmmc::internal
