// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of one node have counted. Names are those of the parts and their counters; units
// are in the names (ps: picoseconds, bytes), else numbers of what the name says.
#pragma once

#include <cstdint>
#include <string>

#include "nicsim/parts/combining_packetizer.h"
#include "nicsim/parts/deliberate_update_engine.h"
#include "nicsim/parts/hardware.h"
#include "nicsim/parts/incoming_dma_engine.h"
#include "nicsim/parts/input_output_bus.h"
#include "nicsim/parts/network_interface_chip.h"
#include "nicsim/parts/outgoing_fifo.h"
#include "nicsim/parts/processor.h"
#include "nicsim/parts/snoop_logic.h"
#include "nicsim/parts/source_reader.h"

namespace vmmc::nicsim::parts {

// What happened to messages at their receiver.
struct ArrivalCounters {
  std::uint64_t delivered = 0;           // updates that were accepted
  std::uint64_t refused = 0;             // operations of this node, or updates to it
  std::uint64_t notifications = 0;       // that the incoming page table allowed
  std::uint64_t not_notified = 0;        // asked for and not allowed, or for nobody
  std::uint64_t arrival_interrupts = 0;  // of messages without notification
};

struct Hardware::Counters {
  Processor::Counters processor;
  SnoopLogic::Counters snoop_logic;
  LookupCounters outgoing_page_table;
  CombiningPacketizer::Counters packetizer;
  OutgoingFifo::Counters outgoing_fifo;
  DeliberateUpdateEngine::Counters deliberate_update_engine;
  SourceReader::Counters engine_reader;
  SourceReader::Counters replies;
  Arbiter::Counters arbiter;
  FormatAndSend::Counters format_and_send;
  IncomingDmaEngine::Counters incoming_dma_engine;
  LookupCounters incoming_page_table;
  InputOutputBus::Counters input_output_bus;
  ArrivalCounters arrivals;
};

// The counters of each part: visit(name, value).
template <typename Visit>
void visit_part(const Processor::Counters& c, Visit visit) {
  visit("operations", c.operations);
  visit("stores", c.stores);
  visit("system_calls", c.system_calls);
  visit("store_waits", c.store_waits);
  visit("store_wait_ps", c.store_wait_ps);
  visit("initiation_waits", c.initiation_waits);
  visit("initiation_wait_ps", c.initiation_wait_ps);
}

template <typename Visit>
void visit_part(const SnoopLogic::Counters& c, Visit visit) {
  visit("stores", c.stores);
  visit("bytes", c.bytes);
}

template <typename Visit>
void visit_part(const LookupCounters& c, Visit visit) {
  visit("lookups", c.lookups);
  visit("no_entry", c.no_entry);
}

template <typename Visit>
void visit_part(const CombiningPacketizer::Counters& c, Visit visit) {
  visit("stores", c.stores);
  visit("packets", c.packets);
  visit("closed_by_other", c.closed_by_other);
  visit("closed_full", c.closed_full);
  visit("closed_by_timer", c.closed_by_timer);
  visit("closed_by_flush", c.closed_by_flush);
}

template <typename Visit>
void visit_part(const OutgoingFifo::Counters& c, Visit visit) {
  visit("packets", c.packets);
  visit("bytes", c.bytes);
  visit("most_bytes", c.most_bytes);
  visit("interrupts", c.interrupts);
  visit("full", c.full);
}

template <typename Visit>
void visit_part(const DeliberateUpdateEngine::Counters& c, Visit visit) {
  visit("initiations", c.initiations);
  visit("turned_down", c.turned_down);
}

template <typename Visit>
void visit_part(const SourceReader::Counters& c, Visit visit) {
  visit("jobs", c.jobs);
  visit("packets", c.packets);
  visit("bytes", c.bytes);
}

template <typename Visit>
void visit_part(const Arbiter::Counters& c, Visit visit) {
  visit("incoming_grants", c.incoming_grants);
  visit("outgoing_grants", c.outgoing_grants);
}

template <typename Visit>
void visit_part(const FormatAndSend::Counters& c, Visit visit) {
  visit("packets", c.packets);
  visit("bytes", c.bytes);
}

template <typename Visit>
void visit_part(const IncomingDmaEngine::Counters& c, Visit visit) {
  visit("packets", c.packets);
  visit("bytes", c.bytes);
  visit("refused", c.refused);
  visit("most_bytes", c.most_bytes);
  visit("no_room", c.no_room);
}

template <typename Visit>
void visit_part(const InputOutputBus::Counters& c, Visit visit) {
  visit("read_ps", c.held_ps[0]);
  visit("write_ps", c.held_ps[1]);
  visit("read_wait_ps", c.waited_ps[0]);
  visit("write_wait_ps", c.waited_ps[1]);
}

template <typename Visit>
void visit_part(const ArrivalCounters& c, Visit visit) {
  visit("delivered", c.delivered);
  visit("refused", c.refused);
  visit("notifications", c.notifications);
  visit("not_notified", c.not_notified);
  visit("arrival_interrupts", c.arrival_interrupts);
}

// visit(name, value) for each of all parts, always in this order; a name is PART.COUNTER.
template <typename Visit>
void for_each_counter(const Hardware::Counters& c, Visit visit) {
  const auto part = [&](const char* part_name, const auto& counters) {
    visit_part(counters, [&](const char* name, std::uint64_t value) {
      visit((std::string(part_name) + "." + name).c_str(), value);
    });
  };
  part("processor", c.processor);
  part("snoop_logic", c.snoop_logic);
  part("outgoing_page_table", c.outgoing_page_table);
  part("packetizer", c.packetizer);
  part("outgoing_fifo", c.outgoing_fifo);
  part("deliberate_update_engine", c.deliberate_update_engine);
  part("engine_reader", c.engine_reader);
  part("replies", c.replies);
  part("arbiter", c.arbiter);
  part("format_and_send", c.format_and_send);
  part("incoming_dma_engine", c.incoming_dma_engine);
  part("incoming_page_table", c.incoming_page_table);
  part("input_output_bus", c.input_output_bus);
  part("arrivals", c.arrivals);
}

}  // namespace vmmc::nicsim::parts
