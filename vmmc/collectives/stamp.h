// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The word that is sent after a chunk: its number, which grows from use to use of the slot, and a
// mark of the call that it belongs to, so that ranks that make different calls find out.
//
//   bits 63..24  number, from 1
//   bits 23..0   mark
//
// 2^40 chunks of one stream are more than a process lives to send.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace vmmc::collectives {

inline constexpr unsigned kMarkBits = 24;
inline constexpr std::uint32_t kMarkMask = (1u << kMarkBits) - 1;

constexpr std::uint64_t make_stamp(std::uint64_t number, std::uint32_t mark) {
  return number << kMarkBits | mark;
}
constexpr std::uint32_t mark_of(std::uint64_t stamp) {
  return static_cast<std::uint32_t>(stamp) & kMarkMask;
}

// The mark of a call: a hash of what all ranks must agree on.
constexpr std::uint32_t make_mark(std::initializer_list<std::uint64_t> agreed) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint64_t value : agreed) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  }
  return static_cast<std::uint32_t>(hash >> 32) & kMarkMask;
}

}  // namespace vmmc::collectives
