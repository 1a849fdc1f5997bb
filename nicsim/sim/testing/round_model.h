// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: a model whose parameters are all different, so that each shows in a sum, and the sums.
#pragma once

#include "nicsim/model/parameters.h"
#include "nicsim/parts/initiation/mechanisms.h"

namespace vmmc::nicsim::sim::testing {

inline model::TimingModel round_model() {
  model::TimingModel m{};
  m.processor = {.store_ns = 101,
                 .poll_ns = 203,
                 .copy_mb_per_s = 40,
                 .compute_scale = 1,
                 .system_call_ns = 9001,
                 .interrupt_ns = 8009,
                 .signal_ns = 12007};
  m.library = {.send_ns = 307, .fetch_ns = 409, .export_ns = 5003, .import_ns = 6007};
  m.snoop_logic = {.present = 1, .latency_ns = 53};
  m.outgoing_page_table = {.lookup_ns = 59};
  m.packetizer = {.latency_ns = 61, .max_payload_bytes = 4096, .combining = 1, .timer_ns = 3001};
  m.outgoing_fifo = {.capacity_bytes = 32768,
                     .threshold_bytes = 24576,
                     .resume_bytes = 8192,
                     .interrupt_ns = 7001,
                     .latency_ns = 67};
  m.deliberate_update_engine = {
      .initiation = parts::initiation::as_parameter(parts::initiation::Mechanism::kTwoReferences),
      .store_ns = 503,
      .load_ns = 509,
      .barrier_ns = 17,
      .start_ns = 71,
      .setup_ns = 73,
      .dma_mb_per_s = 25,
      .max_transfer_bytes = 4096,
      .queue_depth = 0};
  m.arbiter = {.grant_ns = 79, .incoming_first = 1};
  m.format_and_send = {.latency_ns = 83, .header_bytes = 16};
  m.backplane = {.mesh = 0, .link_mb_per_s = 200, .hop_ns = 89, .buffer_bytes = 256};
  m.incoming_dma_engine = {
      .fifo_bytes = 8192, .latency_ns = 97, .setup_ns = 103, .dma_mb_per_s = 20};
  m.incoming_page_table = {.lookup_ns = 107, .interrupt_each_arrival = 0};
  m.input_output_bus = {.shared = 1};
  return m;
}

// From the packetizer's packet of one word of 4 bytes until a polling program has seen it. The arbiters of
// both nodes are asked.
inline double packet_ns(const model::TimingModel& m) {
  const double wire_bytes = 4 + m.format_and_send.header_bytes;
  return 2 * m.arbiter.grant_ns + m.format_and_send.latency_ns + m.backplane.hop_ns +
         wire_bytes * 1000 / m.backplane.link_mb_per_s + m.incoming_page_table.lookup_ns +
         m.incoming_dma_engine.latency_ns + m.incoming_dma_engine.setup_ns +
         4000 / m.incoming_dma_engine.dma_mb_per_s + m.processor.poll_ns;
}

inline double automatic_update_word_ns(const model::TimingModel& m) {
  return m.processor.store_ns + m.snoop_logic.latency_ns + m.outgoing_page_table.lookup_ns +
         m.packetizer.latency_ns + m.outgoing_fifo.latency_ns + packet_ns(m);
}

inline double deliberate_update_word_ns(const model::TimingModel& m) {
  const model::DeliberateUpdateEngineParameters& engine = m.deliberate_update_engine;
  return m.library.send_ns + engine.store_ns + engine.load_ns + engine.start_ns + engine.setup_ns +
         4000 / engine.dma_mb_per_s + m.outgoing_page_table.lookup_ns + m.packetizer.latency_ns +
         packet_ns(m);
}

}  // namespace vmmc::nicsim::sim::testing
