// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the messages of a benchmark say: bytes that depend on the message's number, so that a byte
// of an earlier message, a byte of a neighbour, or a byte in the wrong place is not mistaken for
// the right one.
//
// Word i (of 8 bytes) of message n is start(n) + i * step: no table, no multiplication for each
// word, so that filling and checking run near the speed of memory. The first 4 bytes are never
// zero, because receivers wait for that.
//
// Threads: no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace vmmc::bench {

// A message's number: `stream` tells directions and measurements apart.
struct MessageNumber {
  std::uint32_t stream;
  std::uint64_t sequence;
};

// Length is a multiple of 4, > 0.
void fill_pattern(std::span<std::byte> message, MessageNumber number);

// Looks at every byte. Nothing if all are right, else where the first wrong one is.
std::optional<std::size_t> find_corruption(std::span<const std::byte> message,
                                           MessageNumber number);

// "message 7 of 64 bytes: byte 3 is 0x41 instead of 0x40".
std::string describe_corruption(std::span<const std::byte> message, MessageNumber number,
                                std::size_t position);

}  // namespace vmmc::bench
