// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Format and send: gives a packet its header and injects it into the backplane, one after the
// other.
#pragma once

#include <cstdint>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/backplane_port.h"
#include "nicsim/parts/event_queue.h"
#include "nicsim/parts/network_packet.h"

namespace vmmc::nicsim::parts {

class FormatAndSend {
 public:
  FormatAndSend(EventQueue& queue, const model::FormatAndSendParameters& parameters,
                BackplanePort& backplane)
      : queue_(queue),
        backplane_(backplane),
        latency_(from_ns(parameters.latency_ns)),
        header_(static_cast<std::uint32_t>(parameters.header_bytes)) {}

  bool free() const { return packet_ == nullptr; }
  // Only if free().
  void take(NetworkPacket& packet) {
    packet_ = &packet;
    queue_.after<&FormatAndSend::inject>(latency_, *this);
  }
  // The backplane has all of the packet: it is free again.
  void injected() { packet_ = nullptr; }

  // What a packet takes in the backplane.
  std::uint32_t bytes_of(const NetworkPacket& packet) const { return packet.payload + header_; }

  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;  // with headers
  };
  const Counters& counters() const { return counters_; }

 private:
  void inject(std::uint64_t) {
    ++counters_.packets;
    counters_.bytes += bytes_of(*packet_);
    backplane_.inject({.source = packet_->source,
                       .destination = packet_->destination,
                       .bytes = bytes_of(*packet_),
                       .content = reinterpret_cast<std::uintptr_t>(packet_)});
  }

  EventQueue& queue_;
  BackplanePort& backplane_;
  Time latency_;
  std::uint32_t header_;
  NetworkPacket* packet_ = nullptr;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
