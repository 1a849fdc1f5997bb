// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/combining_buffer.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using namespace vmmc::internal;
namespace wire = vmmc::wire;

namespace {

constexpr std::uintptr_t kPlace = 7 * wire::kPageSize;

struct Store {
  std::uintptr_t offset;
  std::size_t length;
};
struct Case {
  const char* what;
  PacketUnit unit;
  std::vector<Store> stores;
  std::vector<Store> packets;  // the last of which is closed by hand
};

// What the packetizer does: the buffer is emptied whenever it is closed or a store does not follow.
std::vector<Store> packets_of(CombiningBuffer& buffer, const Case& test) {
  std::vector<Store> packets;
  const auto empty = [&] {
    buffer.close();
    while (!buffer.empty()) {
      packets.push_back({buffer.front().address - kPlace, buffer.front().length});
      buffer.pop();
    }
  };
  const std::vector<std::byte> bytes(wire::kPageSize, std::byte{1});
  for (const Store& store : test.stores) {
    if (!buffer.empty() && !buffer.follows(kPlace + store.offset)) empty();
    buffer.put(kPlace + store.offset, bytes.data(), store.length, test.unit, std::memcpy);
    if (buffer.closed()) empty();
  }
  empty();
  return packets;
}

const std::vector<Case>& cases() {
  constexpr auto kRun = PacketUnit::kRun;
  static const std::vector<Case> all = {
      {"one store", kRun, {{8, 8}}, {{8, 8}}},
      {"stores that follow", kRun, {{8, 8}, {16, 4}, {20, 1}}, {{8, 13}}},
      {"a gap", kRun, {{0, 4}, {8, 4}}, {{0, 4}, {8, 4}}},
      {"backwards", kRun, {{8, 4}, {4, 4}}, {{8, 4}, {4, 4}}},
      {"the same place again", kRun, {{8, 4}, {8, 4}}, {{8, 4}, {8, 4}}},
      {"overlapping the end", kRun, {{8, 4}, {10, 4}}, {{8, 4}, {10, 4}}},
      {"up to the end of the page", kRun, {{4088, 8}, {4096, 8}}, {{4088, 8}, {4096, 8}}},
      {"a whole page", kRun, {{0, 4096}, {4096, 8}}, {{0, 4096}, {4096, 8}}},
      {"each store", PacketUnit::kStore, {{0, 8}, {8, 8}, {16, 100}}, {{0, 8}, {8, 8}, {16, 100}}},
      {"each word", PacketUnit::kWord, {{0, 8}, {8, 2}}, {{0, 4}, {4, 4}, {8, 2}}},
      {"each word touched", PacketUnit::kWord, {{3, 6}}, {{3, 1}, {4, 4}, {8, 1}}},
      {"words at the end of the page", PacketUnit::kWord, {{4090, 6}}, {{4090, 2}, {4092, 4}}},
  };
  return all;
}

}  // namespace

TEST_CASE("where packets end") {
  for (const Case& test : cases()) {
    CAPTURE(test.what);
    auto buffer = std::make_unique<CombiningBuffer>();
    const std::vector<Store> packets = packets_of(*buffer, test);
    REQUIRE(packets.size() == test.packets.size());
    for (std::size_t i = 0; i < packets.size(); ++i) {
      CHECK(packets[i].offset == test.packets[i].offset);
      CHECK(packets[i].length == test.packets[i].length);
    }
    CHECK(buffer->empty());
  }
}

TEST_CASE("the bytes are those of the stores, not of memory") {
  auto buffer = std::make_unique<CombiningBuffer>();
  std::uint32_t value = 1;
  buffer->put(kPlace + 4, reinterpret_cast<const std::byte*>(&value), 4, PacketUnit::kRun,
              std::memcpy);
  value = 2;
  REQUIRE(buffer->can_join<std::uint64_t>(kPlace + 8));
  buffer->join(std::uint64_t{3});
  buffer->close();
  const CombiningBuffer::Packet packet = buffer->front();
  REQUIRE(packet.length == 12);
  CHECK(std::memcmp(packet.bytes, "\1\0\0\0\3\0\0\0\0\0\0\0", 12) == 0);
}

TEST_CASE("the quick way is not taken where a packet ends") {
  auto buffer = std::make_unique<CombiningBuffer>();
  CHECK(!buffer->can_join<std::uint64_t>(kPlace));
  const std::uint64_t value = 0;
  buffer->put(kPlace + 4080, reinterpret_cast<const std::byte*>(&value), 8, PacketUnit::kRun,
              std::memcpy);
  CHECK(!buffer->can_join<std::uint64_t>(kPlace + 4088));
  CHECK(buffer->can_join<std::uint32_t>(kPlace + 4088));
  CHECK(buffer->follows(kPlace + 4088));
  buffer->put(kPlace + 4088, reinterpret_cast<const std::byte*>(&value), 8, PacketUnit::kRun,
              std::memcpy);
  CHECK(buffer->closed());
}
