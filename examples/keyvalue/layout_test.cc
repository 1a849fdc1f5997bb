// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/keyvalue/layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace examples::keyvalue {
namespace {

TEST_CASE("a head's word holds version and block, and both come back") {
  for (const Head head : {Head{0, 0}, Head{1, 0}, Head{0, 0xffffff}, Head{(1ull << 40) - 1, 7}}) {
    CHECK(Head::of(head.word()).version == head.version);
    CHECK(Head::of(head.word()).block == head.block);
  }
  CHECK(Head{3, 5}.word() != Head{5, 3}.word());
}

TEST_CASE("the parts of the table follow each other without overlap, and words are aligned") {
  const Layout layout(10, 3, 64);
  CHECK(layout.report_at(0) == sizeof(Session));
  CHECK(layout.head_at(0) == layout.report_at(2) + sizeof(Report));
  CHECK(layout.head_at(0) % 8 == 0);
  CHECK(layout.head_at(9) == layout.head_at(0) + 72);
  CHECK(layout.record_at(0) == layout.head_at(9) + 8);
  CHECK(layout.record_at(layout.first_spare(0)) == layout.record_at(9) + 64);
  CHECK(layout.bytes() == layout.record_at(layout.first_spare(2)) + 64);
}

TEST_CASE("slots and clients begin with different blocks") {
  const Layout layout(5, 4, 64);
  std::set<std::uint32_t> blocks;
  for (std::uint32_t slot = 0; slot < 5; ++slot) blocks.insert(layout.first_head(slot).block);
  for (std::uint32_t client = 0; client < 4; ++client) blocks.insert(layout.first_spare(client));
  CHECK(blocks.size() == 9);
  CHECK(*blocks.rbegin() == 8);
}

TEST_CASE("records come back whole, the longest and the deleted ones too") {
  const Layout layout(1, 1, 64);
  std::vector<std::byte> block(64);
  const std::string longest(64 - sizeof(RecordHeader) - 3, 'v');
  CHECK(layout.fits(3, longest.size()));
  CHECK_FALSE(layout.fits(4, longest.size()));
  CHECK_FALSE(layout.fits(std::size_t{1} << 40, 0));
  for (const Record& record :
       {Record{"key", longest, false}, Record{"k", "", false}, Record{"gone", "", true}}) {
    CHECK(encode(record, block) == sizeof(RecordHeader) + record.key.size() + record.value.size());
    const auto decoded = decode(block);
    REQUIRE(decoded);
    CHECK(decoded->key == record.key);
    CHECK(decoded->value == record.value);
    CHECK(decoded->deleted == record.deleted);
  }
  CHECK(decode(std::vector<std::byte>(64))->key.empty());
}

TEST_CASE("bytes whose lengths leave the block are no record") {
  std::vector<std::byte> block(64);
  for (const RecordHeader& header : {RecordHeader{49, 0, 0, 0}, RecordHeader{1, 48, 0, 0},
                                     RecordHeader{0xffffffff, 0xffffffff, 0, 0}}) {
    std::memcpy(block.data(), &header, sizeof header);
    CHECK_FALSE(decode(block));
  }
}

TEST_CASE("probing visits every slot once, and begins where the hash says") {
  for (const std::uint32_t slots : {1u, 7u, 64u}) {
    const Layout layout(slots, 1, 64);
    for (const std::uint64_t hash : {std::uint64_t{0}, ~std::uint64_t{0}, hash_of("key")}) {
      std::set<std::uint32_t> visited;
      for (std::uint32_t attempt = 0; attempt < slots; ++attempt) {
        visited.insert(layout.slot_of(hash, attempt));
      }
      CHECK(visited.size() == slots);
      CHECK(*visited.rbegin() == slots - 1);
      CHECK(layout.slot_of(hash, 0) == hash % slots);
    }
  }
}

TEST_CASE("the hash spreads neighbouring keys") {
  const Layout layout(1024, 1, 64);
  std::vector<int> keys_in(1024);
  for (int i = 0; i < 1024; ++i) ++keys_in[layout.slot_of(hash_of("key" + std::to_string(i)), 0)];
  int most = 0;
  for (const int count : keys_in) most = std::max(most, count);
  CHECK(most <= 10);  // an ideal hash gives 5 or 6
}

}  // namespace
}  // namespace examples::keyvalue
