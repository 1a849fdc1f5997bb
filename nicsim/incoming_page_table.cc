// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/incoming_page_table.h"

#include <algorithm>

#include "nicsim/wire/version.h"

namespace vmmc::nicsim {

std::optional<std::uint32_t> IncomingPageTable::enable(std::span<std::byte* const> frames,
                                                       std::uint32_t page_offset,
                                                       std::uint64_t length,
                                                       ExportedBuffer* buffer) {
  const auto count = static_cast<std::uint32_t>(frames.size());
  const auto first = indices_.allocate(count);
  if (!first) return std::nullopt;
  if (pages_.size() < *first + count) pages_.resize(*first + count);
  std::uint64_t remaining = length;
  std::uint32_t start = page_offset;
  for (std::uint32_t i = 0; i < count; ++i) {
    IncomingPage& page = pages_[*first + i];
    const auto bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(remaining, wire::kPageSize - start));
    page.frame = frames[i];
    page.buffer = buffer;
    page.first = static_cast<std::uint16_t>(start);
    page.end = static_cast<std::uint16_t>(start + bytes);
    remaining -= bytes;
    start = 0;
  }
  return first;
}

void IncomingPageTable::disable(std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t i = first; i < first + count; ++i) {
    const std::uint32_t generation = pages_[i].generation + 1;
    pages_[i] = IncomingPage{};
    pages_[i].generation = generation;
  }
  indices_.release(first, count);
}

void IncomingPageTable::allow_interrupts(std::uint32_t first, std::uint32_t count, bool allowed) {
  for (std::uint32_t i = first; i < first + count; ++i) pages_[i].interrupts = allowed;
}

}  // namespace vmmc::nicsim
