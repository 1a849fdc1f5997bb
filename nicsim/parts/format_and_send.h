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
                BackplanePort& backplane, Probes probes = {})
      : queue_(queue),
        backplane_(backplane),
        probes_(probes),
        latency_(from_ns(parameters.latency_ns)),
        header_(static_cast<std::uint32_t>(parameters.header_bytes)) {}

  bool free() const { return packet_ == nullptr; }
  // Only if free().
  void take(NetworkPacket& packet) {
    packet_ = &packet;
    const Time delay = probes_.faults_are_planned() ? strike(packet) : 0;
    packet.since = sum(queue_.now(), delay);
    queue_.after<&FormatAndSend::inject>(sum(delay, latency_), *this);
  }
  // The backplane has all of the packet: it is free again.
  void injected() {
    if (probes_.trace_is_on() && packet_ != nullptr) {
      probes_.tracer->happened({.event = wire::TraceEvent::kPacketSent,
                                .engine = wire::TraceEngine::kNetworkInterfaceChip,
                                .node = packet_->source,
                                .packet = packet_,
                                .since = packet_->since});
    }
    packet_ = nullptr;
  }

  // What a packet takes in the backplane.
  std::uint32_t bytes_of(const NetworkPacket& packet) const { return packet.payload + header_; }

  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;  // with headers
  };
  const Counters& counters() const { return counters_; }

 private:
  // What the fault plan does to this packet. How long it is delayed.
  Time strike(NetworkPacket& packet) {
    using Action = FaultPlan::Action;
    if (packet.purpose != Purpose::kUpdate) return 0;
    const auto fault = probes_.faults->strike(packet.source, packet.destination);
    if (!fault) return 0;
    if (fault->action == Action::kDrop) packet.struck = NetworkPacket::Struck::kDropped;
    if (fault->action == Action::kCorrupt) packet.struck = NetworkPacket::Struck::kCorrupted;
    if (fault->action != Action::kDelay) return 0;
    const Time delay = from_ns(static_cast<double>(fault->delay));
    if (probes_.trace_is_on()) {
      probes_.tracer->happened({.event = wire::TraceEvent::kPacketDelayed,
                                .engine = wire::TraceEngine::kNetworkInterfaceChip,
                                .node = packet.source,
                                .packet = &packet,
                                .value = delay});
    }
    return delay;
  }

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
  const Probes probes_;
  Time latency_;
  std::uint32_t header_;
  NetworkPacket* packet_ = nullptr;
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
