// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/incoming_dma_engine.h"

#include <algorithm>

namespace vmmc::nicsim::parts {
namespace {

NetworkPacket& packet_of(std::uint64_t argument) {
  return *reinterpret_cast<NetworkPacket*>(argument);
}

bool names_exported_memory(Purpose purpose) {
  return purpose == Purpose::kUpdate || purpose == Purpose::kFetchRequest ||
         purpose == Purpose::kAtomicRequest;
}

// With bytes that a program sees.
bool is_memory_written(const NetworkPacket& packet) {
  return !packet.refused && packet.struck == NetworkPacket::Struck::kNot &&
         (packet.purpose == Purpose::kUpdate || packet.purpose == Purpose::kFetchData ||
          packet.purpose == Purpose::kAtomicRequest);
}

bool is_polled_for(Purpose purpose) {
  return purpose != Purpose::kFetchRequest && purpose != Purpose::kAtomicRequest;
}

}  // namespace

IncomingDmaEngine::IncomingDmaEngine(EventQueue& queue, const model::TimingModel& model,
                                     const nicsim::Backplane& tables, InputOutputBus& bus,
                                     Port& port, Probes probes)
    : queue_(queue),
      tables_(tables),
      bus_(bus),
      port_(port),
      probes_(probes),
      capacity_(static_cast<std::uint32_t>(model.incoming_dma_engine.fifo_bytes)),
      header_(static_cast<std::uint32_t>(model.format_and_send.header_bytes)),
      lookup_(from_ns(model.incoming_dma_engine.latency_ns) +
              from_ns(model.incoming_page_table.lookup_ns)),
      setup_(from_ns(model.incoming_dma_engine.setup_ns)),
      mb_per_s_(model.incoming_dma_engine.dma_mb_per_s),
      poll_(from_ns(model.processor.poll_ns)) {}

bool IncomingDmaEngine::reserve(std::uint32_t bytes) {
  if (taken_ + bytes > capacity_) {
    ++counters_.no_room;
    return false;
  }
  taken_ += bytes;
  counters_.most_bytes = std::max<std::uint64_t>(counters_.most_bytes, taken_);
  return true;
}

void IncomingDmaEngine::arrived(NetworkPacket& packet) {
  ++counters_.packets;
  counters_.bytes += packet.payload;
  arrived_.push(packet);
  port_.incoming_ready();
}

void IncomingDmaEngine::chip_granted() {
  queue_.after<&IncomingDmaEngine::looked_up>(lookup_, *this,
                                              reinterpret_cast<std::uintptr_t>(&arrived_.pop()));
}

void IncomingDmaEngine::looked_up(std::uint64_t argument) {
  NetworkPacket& packet = packet_of(argument);
  if (packet.struck != NetworkPacket::Struck::kNot) {
    if (probes_.trace_is_on()) trace_struck(packet);
  } else if (names_exported_memory(packet.purpose)) {
    ++lookups_.lookups;
    packet.refused = tables_.deliver(packet.packet).address == nullptr;
    if (packet.refused) ++lookups_.no_entry;
    if (probes_.trace_is_on()) trace_lookup(packet);
  }
  looked_up_.push(packet);
  if (!writing_) begin_write();
}

void IncomingDmaEngine::trace_lookup(const NetworkPacket& packet) const {
  probes_.tracer->happened({.event = wire::TraceEvent::kIncomingLookup,
                            .engine = wire::TraceEngine::kIncomingPageTable,
                            .node = packet.destination,
                            .packet = &packet,
                            .refused = packet.refused});
}

// What was dropped on its way has left no trace but this one.
void IncomingDmaEngine::trace_struck(const NetworkPacket& packet) const {
  const bool corrupted = packet.struck == NetworkPacket::Struck::kCorrupted;
  probes_.tracer->happened(
      {.event = corrupted ? wire::TraceEvent::kPacketCorrupted : wire::TraceEvent::kPacketDropped,
       .engine = corrupted ? wire::TraceEngine::kIncomingDmaEngine : wire::TraceEngine::kBackplane,
       .node = packet.destination,
       .packet = &packet});
}

// 0: nothing is written.
Time IncomingDmaEngine::time_to_write(const NetworkPacket& packet) const {
  const bool nothing = packet.refused || packet.struck != NetworkPacket::Struck::kNot ||
                       packet.purpose == Purpose::kFetchRequest;
  return nothing ? 0 : setup_ + time_of_bytes(packet.payload, mb_per_s_);
}

// The first packet's.
void IncomingDmaEngine::begin_write() {
  NetworkPacket& packet = looked_up_.front();
  const auto argument = reinterpret_cast<std::uintptr_t>(&packet);
  writing_ = true;
  if (packet.refused || packet.struck != NetworkPacket::Struck::kNot ||
      packet.purpose == Purpose::kFetchRequest) {
    // Nothing is written. As an event: many of these in a row are no recursion.
    queue_.after<&IncomingDmaEngine::written>(0, *this, argument);
    return;
  }
  bus_.hold<&IncomingDmaEngine::written>(InputOutputBus::Way::kWriting, time_to_write(packet),
                                         *this, argument);
}

void IncomingDmaEngine::written(std::uint64_t argument) {
  NetworkPacket& packet = packet_of(argument);
  looked_up_.pop();
  writing_ = false;
  if (probes_.trace_is_on() && is_memory_written(packet)) {
    probes_.tracer->happened({.event = wire::TraceEvent::kMemoryWritten,
                              .engine = wire::TraceEngine::kIncomingDmaEngine,
                              .node = packet.destination,
                              .packet = &packet,
                              .since = queue_.now() - time_to_write(packet)});
  }
  if (!looked_up_.empty()) begin_write();
  taken_ -= packet.payload + header_;
  const bool polled = is_polled_for(packet.purpose) && !packet.refused &&
                      packet.struck == NetworkPacket::Struck::kNot;
  const Time seen = sum(queue_.now(), polled ? poll_ : 0);
  last_handed_over_ = std::max(last_handed_over_, seen);
  queue_.at<&IncomingDmaEngine::hand_over>(last_handed_over_, *this, argument);
  port_.incoming_room();
}

void IncomingDmaEngine::hand_over(std::uint64_t argument) {
  NetworkPacket& packet = packet_of(argument);
  // The page may have been disabled while the packet was on the bus.
  const bool accepted = !packet.refused && packet.struck == NetworkPacket::Struck::kNot;
  if (accepted && names_exported_memory(packet.purpose) &&
      tables_.deliver(packet.packet).address == nullptr) {
    packet.refused = true;
    if (probes_.trace_is_on()) trace_lookup(packet);
  }
  if (packet.refused) ++counters_.refused;
  port_.landed(packet);
}

}  // namespace vmmc::nicsim::parts
