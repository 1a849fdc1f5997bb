// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "nicsim/incoming_dma_engine.h"
#include "nicsim/incoming_page_table.h"
#include "nicsim/outgoing_page_table.h"
#include "nicsim/packetizer.h"
#include "nicsim/wire/control.h"

using namespace vmmc::nicsim;

namespace {

std::array<std::byte, 3 * 4096> memory;

struct Fixture {
  IncomingPageTable incoming;
  std::vector<std::byte*> frames{memory.data(), memory.data() + 4096, memory.data() + 8192};
  // 5000 bytes from byte 100 of the first page: pages 0 and 1.
  std::uint32_t first = *incoming.enable(std::span(frames).first(2), 100, 5000, nullptr);
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "incoming page table: a packet lands only on the buffer's own bytes") {
  const IncomingDmaEngine dma(incoming);
  const std::uint32_t generation = incoming.generation(first);
  CHECK(dma.accept({0, first, generation, 100, 8}).address == memory.data() + 100);
  CHECK(dma.accept({0, first, generation, 99, 8}).address == nullptr);
  CHECK(dma.accept({0, first, generation, 4088, 8}).address == memory.data() + 4088);
  CHECK(dma.accept({0, first, generation, 4090, 8}).address == nullptr);
  // The last page holds 5000 - 3996 bytes.
  CHECK(dma.accept({0, first + 1, generation, 1000, 4}).address == memory.data() + 4096 + 1000);
  CHECK(dma.accept({0, first + 1, generation, 1001, 4}).address == nullptr);
  CHECK(dma.accept({0, first + 2, generation, 0, 4}).address == nullptr);
  CHECK(dma.accept({0, 4000000000u, generation, 0, 4}).address == nullptr);
}

TEST_CASE_FIXTURE(Fixture, "incoming page table: a new owner of an entry has another generation") {
  const std::uint32_t old_generation = incoming.generation(first);
  incoming.disable(first, 2);
  const IncomingDmaEngine dma(incoming);
  CHECK(dma.accept({0, first, old_generation, 100, 8}).address == nullptr);
  const auto again = incoming.enable(std::span(frames).subspan(2), 0, 4096, nullptr);
  REQUIRE(again == first);
  CHECK(dma.accept({0, first, old_generation, 100, 8}).address == nullptr);
  CHECK(dma.accept({0, first, incoming.generation(first), 100, 8}).address ==
        memory.data() + 8192 + 100);
}

TEST_CASE_FIXTURE(Fixture, "incoming page table: an interrupt is allowed page by page") {
  const IncomingDmaEngine dma(incoming);
  const Packet packet{0, first, incoming.generation(first), 100, 8};
  const Packet next_page{0, first + 1, incoming.generation(first + 1), 0, 8};
  CHECK_FALSE(dma.accept(packet).interrupts);
  incoming.allow_interrupts(first + 1, 1, true);
  CHECK_FALSE(dma.accept(packet).interrupts);
  CHECK(dma.accept(next_page).interrupts);
  incoming.allow_interrupts(first, 2, true);
  CHECK(dma.accept(packet).interrupts);
  incoming.allow_interrupts(first + 1, 1, false);
  CHECK_FALSE(dma.accept(next_page).interrupts);
  CHECK(dma.accept(next_page).address != nullptr);
  // Who gets the entries next starts without.
  incoming.disable(first, 2);
  REQUIRE(incoming.enable(std::span(frames).first(2), 0, 8192, nullptr) == first);
  CHECK_FALSE(dma.accept({0, first, incoming.generation(first), 0, 8}).interrupts);
}

TEST_CASE("packetizer: cuts at page boundaries and stops at a page without an entry") {
  OutgoingPageTable outgoing(1024);
  OutgoingPageTable::Proxy proxy{.import_slot = 3,
                                 .import_generation = 7,
                                 .access = vmmc::wire::kAccessWrite,
                                 .node = 1,
                                 .first_incoming_page = 20,
                                 .incoming_generations = {5, 6},
                                 .page_offset = 100,
                                 .length = 5000};
  const std::uint32_t page = *outgoing.map(proxy);
  Packetizer packetizer(outgoing, page * 4096ull + 4000, 200);
  const auto first = packetizer.next();
  REQUIRE(first.has_value());
  CHECK(first->node == 1);
  CHECK(first->incoming_page == 20);
  CHECK(first->incoming_generation == 5);
  CHECK(first->offset == 4000);
  CHECK(first->length == 96);
  const auto second = packetizer.next();
  REQUIRE(second.has_value());
  CHECK(second->incoming_page == 21);
  CHECK(second->incoming_generation == 6);
  CHECK(second->offset == 0);
  CHECK(second->length == 104);
  CHECK_FALSE(packetizer.next().has_value());
  CHECK(packetizer.remaining() == 0);

  outgoing.unmap(page, 2);
  Packetizer stale(outgoing, page * 4096ull + 4000, 200);
  CHECK_FALSE(stale.next().has_value());
  CHECK(stale.remaining() == 200);
}

TEST_CASE("outgoing page table: each page knows which of its bytes belong to the proxy") {
  OutgoingPageTable outgoing(1024);
  const std::uint32_t page = *outgoing.map({.import_slot = 0,
                                            .import_generation = 1,
                                            .access = vmmc::wire::kAccessRead,
                                            .node = 0,
                                            .first_incoming_page = 0,
                                            .incoming_generations = {1, 1, 1},
                                            .page_offset = 8,
                                            .length = 4088 + 4096 + 1});
  CHECK(outgoing.find(page)->first == 8);
  CHECK(outgoing.find(page)->end == 4096);
  CHECK(outgoing.find(page + 1)->first == 0);
  CHECK(outgoing.find(page + 1)->end == 4096);
  CHECK(outgoing.find(page + 2)->end == 1);
  CHECK(outgoing.find(page + 3) == nullptr);
  CHECK(outgoing.find(1ull << 60) == nullptr);
}
