// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/outgoing_page_table.h"

#include <algorithm>

#include "nicsim/wire/version.h"

namespace vmmc::nicsim {

std::optional<std::uint32_t> OutgoingPageTable::map(const Proxy& proxy) {
  const auto count = static_cast<std::uint32_t>(proxy.incoming_generations.size());
  const auto first = indices_.allocate(count + kGuardPages);
  if (!first) return std::nullopt;
  if (pages_.size() < *first + count) pages_.resize(*first + count);
  std::uint64_t remaining = proxy.length;
  std::uint32_t start = proxy.page_offset;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(remaining, wire::kPageSize - start));
    pages_[*first + i] = OutgoingPage{.valid = true,
                                      .access = static_cast<std::uint8_t>(proxy.access),
                                      .first = static_cast<std::uint16_t>(start),
                                      .end = static_cast<std::uint16_t>(start + bytes),
                                      .import_slot = proxy.import_slot,
                                      .import_generation = proxy.import_generation,
                                      .node = proxy.node,
                                      .incoming_page = proxy.first_incoming_page + i,
                                      .incoming_generation = proxy.incoming_generations[i]};
    remaining -= bytes;
    start = 0;
  }
  return first;
}

void OutgoingPageTable::unmap(std::uint32_t first, std::uint32_t count) {
  std::fill_n(pages_.begin() + first, count, OutgoingPage{});
  indices_.release(first, count + kGuardPages);
}

}  // namespace vmmc::nicsim
