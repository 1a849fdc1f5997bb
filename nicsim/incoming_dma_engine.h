// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The incoming DMA engine of a node: checks every packet against the incoming page table and says
// where in the exporter's memory its bytes go.
#pragma once

#include <cstddef>

#include "nicsim/incoming_page_table.h"
#include "nicsim/packetizer.h"

namespace vmmc::nicsim {

class IncomingDmaEngine {
 public:
  explicit IncomingDmaEngine(const IncomingPageTable& table) : table_(table) {}

  struct Landing {
    std::byte* address;      // where the packet's bytes go; nullptr: refused
    ExportedBuffer* buffer;  // whose they are
    bool interrupts;         // the page allows an interrupt
  };

  // Refuses a packet whose page is not enabled, whose generation is old, or that reaches outside
  // the buffer's bytes.
  Landing accept(const Packet& packet) const {
    const IncomingPage* page = table_.find(packet.incoming_page);
    if (page == nullptr || page->frame == nullptr ||
        page->generation != packet.incoming_generation || packet.offset < page->first ||
        packet.offset + packet.length > page->end) {
      return {nullptr, nullptr, false};
    }
    return {page->frame + packet.offset, page->buffer, page->interrupts};
  }

 private:
  const IncomingPageTable& table_;
};

}  // namespace vmmc::nicsim
