// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A run of whole pages of this process's address space.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/version.h"

namespace vmmc::internal {

// Addresses from `begin` up to, not including, `end`; both are multiples of the page size.
struct PageRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;

  std::size_t bytes() const { return end - begin; }
  std::size_t pages() const { return bytes() / wire::kPageSize; }
  bool overlaps(const PageRange& other) const { return begin < other.end && other.begin < end; }
  void* data() const { return reinterpret_cast<void*>(begin); }

  bool operator==(const PageRange&) const = default;
};

constexpr std::uintptr_t round_down_to_page(std::uintptr_t address) {
  return address / wire::kPageSize * wire::kPageSize;
}
constexpr std::uintptr_t round_up_to_page(std::uintptr_t address) {
  return round_down_to_page(address + wire::kPageSize - 1);
}

// The whole pages around `length` bytes from `address`. REQUIRES: address + length + a page does
// not overflow.
constexpr PageRange pages_around(std::uintptr_t address, std::size_t length) {
  return {round_down_to_page(address), round_up_to_page(address + length)};
}

}  // namespace vmmc::internal
