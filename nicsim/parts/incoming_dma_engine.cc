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

bool is_polled_for(Purpose purpose) {
  return purpose != Purpose::kFetchRequest && purpose != Purpose::kAtomicRequest;
}

}  // namespace

IncomingDmaEngine::IncomingDmaEngine(EventQueue& queue, const model::TimingModel& model,
                                     const nicsim::Backplane& tables, InputOutputBus& bus,
                                     Port& port)
    : queue_(queue),
      tables_(tables),
      bus_(bus),
      port_(port),
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
  if (names_exported_memory(packet.purpose)) {
    ++lookups_.lookups;
    packet.refused = tables_.deliver(packet.packet).address == nullptr;
    if (packet.refused) ++lookups_.no_entry;
  }
  looked_up_.push(packet);
  if (!writing_) begin_write();
}

// The first packet's.
void IncomingDmaEngine::begin_write() {
  NetworkPacket& packet = looked_up_.front();
  const auto argument = reinterpret_cast<std::uintptr_t>(&packet);
  writing_ = true;
  if (packet.refused || packet.purpose == Purpose::kFetchRequest) {
    // Nothing is written. As an event: many of these in a row are no recursion.
    queue_.after<&IncomingDmaEngine::written>(0, *this, argument);
    return;
  }
  bus_.hold<&IncomingDmaEngine::written>(InputOutputBus::Way::kWriting,
                                         setup_ + time_of_bytes(packet.payload, mb_per_s_), *this,
                                         argument);
}

void IncomingDmaEngine::written(std::uint64_t argument) {
  NetworkPacket& packet = packet_of(argument);
  looked_up_.pop();
  writing_ = false;
  if (!looked_up_.empty()) begin_write();
  taken_ -= packet.payload + header_;
  const bool polled = is_polled_for(packet.purpose) && !packet.refused;
  const Time seen = sum(queue_.now(), polled ? poll_ : 0);
  last_handed_over_ = std::max(last_handed_over_, seen);
  queue_.at<&IncomingDmaEngine::hand_over>(last_handed_over_, *this, argument);
  port_.incoming_room();
}

void IncomingDmaEngine::hand_over(std::uint64_t argument) {
  NetworkPacket& packet = packet_of(argument);
  // The page may have been disabled while the packet was on the bus.
  if (names_exported_memory(packet.purpose) && tables_.deliver(packet.packet).address == nullptr) {
    packet.refused = true;
  }
  if (packet.refused) ++counters_.refused;
  port_.landed(packet);
}

}  // namespace vmmc::nicsim::parts
