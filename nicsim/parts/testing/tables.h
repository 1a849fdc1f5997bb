// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests of what runs in simulated time: page tables over plain memory, and a timing model in
// which every part takes a time that no other one takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/model/parameters.h"
#include "nicsim/outgoing_page_table.h"
#include "nicsim/parts/initiation/mechanisms.h"
#include "nicsim/wire/version.h"

namespace vmmc::nicsim::parts::testing {

// A buffer that is exported on a node: whole pages, page-aligned in the incoming page table. Messages to
// it may interrupt.
struct Exported {
  std::uint32_t node;
  std::uint32_t first_page;  // in the incoming page table
  std::vector<std::byte> memory;
  std::uint32_t pages() const {
    return static_cast<std::uint32_t>(memory.size() / wire::kPageSize);
  }
};

// The tables of a machine.
class Tables {
 public:
  explicit Tables(std::uint32_t nodes) : backplane(nodes) {}

  Exported& export_pages(std::uint32_t node, std::uint32_t pages) {
    Exported& buffer = exported_.emplace_back();
    buffer.node = node;
    buffer.memory.resize(std::size_t{pages} * wire::kPageSize);
    std::vector<std::byte*> frames;
    for (std::uint32_t i = 0; i < pages; ++i) {
      frames.push_back(buffer.memory.data() + std::size_t{i} * wire::kPageSize);
    }
    IncomingPageTable& table = backplane.node(node).incoming_pages;
    buffer.first_page = *table.enable(frames, 0, buffer.memory.size(), nullptr);
    allow_interrupts(buffer, true);
    return buffer;
  }

  void allow_interrupts(const Exported& buffer, bool allowed) {
    backplane.node(buffer.node)
        .incoming_pages.allow_interrupts(buffer.first_page, buffer.pages(), allowed);
  }

  void disable(const Exported& buffer) {
    backplane.node(buffer.node).incoming_pages.disable(buffer.first_page, buffer.pages());
  }

  // A process: what names it is its outgoing page table.
  OutgoingPageTable& add_process() { return processes_.emplace_back(1u << 20); }

  // Enters a proxy of the buffer. Returns where it begins in the process's destination space, in
  // bytes.
  std::uint64_t import(OutgoingPageTable& process, const Exported& buffer) {
    const IncomingPageTable& table = backplane.node(buffer.node).incoming_pages;
    OutgoingPageTable::Proxy proxy{.import_slot = 0,
                                   .import_generation = 0,
                                   .access = 3,
                                   .node = buffer.node,
                                   .first_incoming_page = buffer.first_page,
                                   .incoming_generations = {},
                                   .page_offset = 0,
                                   .length = buffer.memory.size()};
    for (std::uint32_t i = 0; i < buffer.pages(); ++i) {
      proxy.incoming_generations.push_back(table.generation(buffer.first_page + i));
    }
    return std::uint64_t{*process.map(proxy)} * wire::kPageSize;
  }

  nicsim::Backplane backplane;

 private:
  std::deque<Exported> exported_;
  std::deque<OutgoingPageTable> processes_;
};

// Sums of different parts of it differ. Buses and links of 100 MB/s: a byte takes 10 ns.
inline model::TimingModel test_model() {
  return {
      .processor = {.store_ns = 100,
                    .poll_ns = 13,
                    .copy_mb_per_s = 50,
                    .compute_scale = 1,
                    .system_call_ns = 5000,
                    .interrupt_ns = 10000,
                    .signal_ns = 17000},
      .library = {.send_ns = 300, .fetch_ns = 400, .export_ns = 43000, .import_ns = 68000},
      .snoop_logic = {.present = 1, .latency_ns = 31},
      .outgoing_page_table = {.lookup_ns = 7},
      .packetizer = {.latency_ns = 41, .max_payload_bytes = 4096, .combining = 1, .timer_ns = 2000},
      .outgoing_fifo = {.capacity_bytes = 32768,
                        .threshold_bytes = 24576,
                        .resume_bytes = 8192,
                        .interrupt_ns = 9000,
                        .latency_ns = 53},
      .deliberate_update_engine = {.initiation = initiation::as_parameter(
                                       initiation::Mechanism::kTwoReferences),
                                   .store_ns = 200,
                                   .load_ns = 240,
                                   .barrier_ns = 50,
                                   .start_ns = 610,
                                   .setup_ns = 170,
                                   .dma_mb_per_s = 100,
                                   .max_transfer_bytes = 4096,
                                   .queue_depth = 0},
      .arbiter = {.grant_ns = 3, .incoming_first = 1},
      .format_and_send = {.latency_ns = 61, .header_bytes = 16},
      .backplane = {.mesh = 0, .link_mb_per_s = 100, .hop_ns = 29, .buffer_bytes = 8192},
      .incoming_dma_engine = {.fifo_bytes = 16384,
                              .latency_ns = 71,
                              .setup_ns = 190,
                              .dma_mb_per_s = 100},
      .incoming_page_table = {.lookup_ns = 11, .interrupt_each_arrival = 0},
      .input_output_bus = {.shared = 0},
  };
}

}  // namespace vmmc::nicsim::parts::testing
