// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/support/pattern.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace vmmc::bench {
namespace {

TEST_CASE("every single corrupted byte is found, in messages of any size") {
  for (std::size_t size = 4; size <= 132; size += 4) {
    CAPTURE(size);
    std::vector<std::byte> message(size);
    fill_pattern(message, {1, size});
    REQUIRE_FALSE(find_corruption(message, {1, size}));
    for (std::size_t position = 0; position < size; ++position) {
      message[position] ^= std::byte{0x10};
      CHECK(find_corruption(message, {1, size}) == position);
      message[position] ^= std::byte{0x10};
    }
  }
}

TEST_CASE("an earlier message, another stream and a shifted message are not taken for this one") {
  for (const std::size_t size : {4u, 8u, 64u, 4096u}) {
    CAPTURE(size);
    std::vector<std::byte> message(size + 8);
    const std::span<std::byte> first(message.data(), size);
    for (std::uint64_t sequence = 1; sequence < 200; ++sequence) {
      fill_pattern(first, {0, sequence});
      CHECK(find_corruption(first, {0, sequence + 1}));
      CHECK(find_corruption(first, {1, sequence}));
      fill_pattern(message, {0, sequence});
      CHECK(find_corruption(std::span(message).subspan(8), {0, sequence}));
    }
  }
}

TEST_CASE("the first four bytes are never zero") {
  for (std::uint64_t sequence = 0; sequence < 100000; ++sequence) {
    std::byte message[4];
    fill_pattern(message, {0, sequence});
    std::uint32_t word;
    std::memcpy(&word, message, 4);
    if (word == 0) FAIL_CHECK("message ", sequence);
  }
}

TEST_CASE("the description names the byte") {
  std::vector<std::byte> message(16);
  fill_pattern(message, {0, 7});
  message[3] ^= std::byte{1};
  const std::string text = describe_corruption(message, {0, 7}, 3);
  CHECK(text.find("message 7 of 16 bytes: byte 3 is 0x") == 0);
}

}  // namespace
}  // namespace vmmc::bench
