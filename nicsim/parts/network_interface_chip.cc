// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/network_interface_chip.h"

#include <utility>

namespace vmmc::nicsim::parts {
NetworkInterfaceChip::NetworkInterfaceChip(EventQueue& queue, const model::TimingModel& model,
                                           BackplanePort& backplane, DepartureOrder& order,
                                           Arbiter::Requester& incoming, OutgoingFifo& fifo,
                                           SourceReader& engine, SourceReader& replies, Port& port,
                                           Probes probes)
    : order_(order),
      probes_(probes),
      send_(queue, model.format_and_send, backplane, probes),
      fifo_(*this, fifo),
      engine_(*this, engine),
      replies_(*this, replies),
      arbiter_(queue, model.arbiter, incoming, {&fifo_, &engine_, &replies_}),
      port_(port) {}

bool NetworkInterfaceChip::FifoExit::wants_chip() const {
  const NetworkPacket* const first = fifo.first();
  return first != nullptr && chip.send_.free() &&
         chip.order_.may_leave(DepartureOrder::stream_of(*first->operation), first->waits_for);
}

void NetworkInterfaceChip::FifoExit::chip_granted() {
  NetworkPacket& packet = fifo.take();
  chip.order_.left(DepartureOrder::stream_of(*packet.operation), packet.order);
  if (packet.lost) {
    chip.left_fifo(packet);
    return chip.port_.lost(packet);
  }
  chip.from_fifo_ = &packet;
  chip.send_.take(packet);
}

bool NetworkInterfaceChip::EngineExit::wants_chip() const {
  const NetworkPacket* const first = engine.first();
  return first != nullptr && chip.send_.free() && first->operation->order != kNever &&
         chip.order_.may_leave(DepartureOrder::stream_of(*first->operation),
                               first->operation->order);
}

void NetworkInterfaceChip::EngineExit::chip_granted() {
  NetworkPacket& packet = engine.take();
  const Operation& operation = *packet.operation;
  // A fetch has left when it is over.
  if (packet.purpose == Purpose::kUpdate &&
      packet.offset + packet.packet.length == operation.length) {
    chip.order_.left(DepartureOrder::stream_of(operation), operation.order);
  }
  if (packet.lost) return chip.port_.lost(packet);
  chip.send_.take(packet);
}

bool NetworkInterfaceChip::ReplyExit::wants_chip() const {
  return replies.first() != nullptr && chip.send_.free();
}

void NetworkInterfaceChip::ReplyExit::chip_granted() { chip.send_.take(replies.take()); }

void NetworkInterfaceChip::injected() {
  const NetworkPacket* const packet = std::exchange(from_fifo_, nullptr);
  send_.injected();
  if (packet != nullptr) left_fifo(*packet);
  arbiter_.look();
}

// Its bytes are not needed there any more.
void NetworkInterfaceChip::left_fifo(const NetworkPacket& packet) {
  if (probes_.trace_is_on()) {
    probes_.tracer->happened({.event = wire::TraceEvent::kFifoLeft,
                              .engine = wire::TraceEngine::kOutgoingFifo,
                              .node = packet.source,
                              .packet = &packet,
                              .value = fifo_.fifo.filled() - packet.payload});
  }
  fifo_.fifo.left(packet.payload);
}

}  // namespace vmmc::nicsim::parts
