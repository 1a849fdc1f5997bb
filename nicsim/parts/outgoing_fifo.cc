// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/outgoing_fifo.h"

#include <algorithm>

namespace vmmc::nicsim::parts {

OutgoingFifo::OutgoingFifo(EventQueue& queue, const model::OutgoingFifoParameters& parameters,
                           Port& port)
    : queue_(queue),
      port_(port),
      capacity_(static_cast<std::uint64_t>(parameters.capacity_bytes)),
      threshold_(static_cast<std::uint64_t>(parameters.threshold_bytes)),
      resume_(static_cast<std::uint64_t>(parameters.resume_bytes)),
      latency_(from_ns(parameters.latency_ns)) {}

bool OutgoingFifo::reserve(std::uint32_t bytes) {
  if (filled_ + reserved_ + bytes > capacity_) {
    ++counters_.full;
    return false;
  }
  reserved_ += bytes;
  counters_.most_bytes = std::max(counters_.most_bytes, filled_ + reserved_);
  return true;
}

void OutgoingFifo::enter(NetworkPacket& packet) {
  reserved_ -= packet.payload;
  filled_ += packet.payload;
  ++counters_.packets;
  counters_.bytes += packet.payload;
  packets_.push(packet);
  queue_.after<&OutgoingFifo::ready>(latency_, *this);
  if (!stopped_ && filled_ >= threshold_) {
    stopped_ = true;
    ++counters_.interrupts;
    port_.fifo_threshold();
  }
}

void OutgoingFifo::ready(std::uint64_t) {
  ++ready_;
  port_.fifo_ready();
}

NetworkPacket& OutgoingFifo::take() {
  --ready_;
  return packets_.pop();
}

void OutgoingFifo::left(std::uint32_t bytes) {
  filled_ -= bytes;
  if (stopped_ && filled_ <= resume_) {
    stopped_ = false;
    port_.fifo_resumed();
  }
  port_.fifo_room();
}

}  // namespace vmmc::nicsim::parts
