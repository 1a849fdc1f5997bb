// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The packetizer: cuts a transfer at page boundaries and gives each piece its destination from the
// outgoing page table. A packet never crosses a page, because the next page may live anywhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "nicsim/outgoing_page_table.h"
#include "nicsim/wire/version.h"

namespace vmmc::nicsim {

struct Packet {
  std::uint32_t node;
  std::uint32_t incoming_page;
  std::uint32_t incoming_generation;
  std::uint32_t offset;  // in the page
  std::uint32_t length;  // bytes, at most one page
};

// Cuts [destination, destination + length) of one process's destination space. The caller has
// checked that the range lies inside one proxy.
class Packetizer {
 public:
  Packetizer(const OutgoingPageTable& table, std::uint64_t destination, std::uint64_t length)
      : table_(table), position_(destination), remaining_(length) {}

  // The next packet; nothing when the transfer is cut up, or (with bytes remaining) when a page has
  // no entry.
  std::optional<Packet> next() {
    if (remaining_ == 0) return std::nullopt;
    const OutgoingPage* page = table_.find(position_ / wire::kPageSize);
    if (page == nullptr) return std::nullopt;
    const auto offset = static_cast<std::uint32_t>(position_ % wire::kPageSize);
    const auto length =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(remaining_, wire::kPageSize - offset));
    position_ += length;
    remaining_ -= length;
    return Packet{page->node, page->incoming_page, page->incoming_generation, offset, length};
  }

  std::uint64_t remaining() const { return remaining_; }

 private:
  const OutgoingPageTable& table_;
  std::uint64_t position_;
  std::uint64_t remaining_;
};

}  // namespace vmmc::nicsim
