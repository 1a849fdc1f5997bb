// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/datagram_trace.h"

#include <utility>

namespace vmmc::nicsim::real_time {
namespace {

using wire::TraceEngine;
using wire::TraceEvent;

constexpr std::uint64_t kPicosecondsPerNanosecond = 1000;

}  // namespace

// At the sender's node. Time: now.
TraceEntry DatagramTrace::entry_of(const TracedDatagram& datagram, TraceEvent event,
                                   TraceEngine engine) const {
  return {.event = event,
          .engine = engine,
          .kind = wire::kTraceRealTimeDatagram,
          .time = instruments_->trace.now(),
          .operation = datagram.operation,
          .node = ends_.from_node,
          .peer = ends_.to_node,
          .process = ends_.from_process,
          .peer_process = ends_.to_process,
          .buffer = ends_.channel,
          .length = datagram.length};
}

TraceEntry DatagramTrace::packet_entry(const TracedDatagram& datagram, const DatagramPacket& packet,
                                       TraceEvent event, TraceEngine engine) const {
  TraceEntry entry = entry_of(datagram, event, engine);
  if (packet.is_last) entry.flags |= wire::kTraceLastPacket;
  if (datagram.lends_page) {
    entry.flags |= wire::kTraceLendsPage;
    entry.page = datagram.page;
  }
  entry.packet = packet.number;
  entry.length = packet.bytes.size();
  entry.offset = packet.offset;
  return entry;
}

// To the receiver's node.
void DatagramTrace::turn_round(TraceEntry& entry) {
  std::swap(entry.node, entry.peer);
  std::swap(entry.process, entry.peer_process);
}

// ------------------------------------------------------------------------------------- datagrams

void DatagramTrace::write_taken(TracedDatagram& datagram, std::uint64_t number) {
  datagram.generation = instruments_->trace.generation();
  TraceEntry entry = entry_of(datagram, TraceEvent::kTaken, TraceEngine::kProcessor);
  datagram.taken = entry.time;
  entry.value = number;
  instruments_->trace.write(entry);
}

void DatagramTrace::write_end(const TracedDatagram& datagram, TraceEvent event,
                              wire::Status status) {
  if (!is_in_trace(datagram)) return;
  TraceEntry entry = entry_of(datagram, event, TraceEngine::kProcessor);
  if (datagram.lends_page && status == wire::Status::kOk) {
    entry.flags = wire::kTraceLendsPage;
    entry.page = datagram.page;
  }
  entry.status = static_cast<std::int32_t>(status);
  entry.value = entry.time - datagram.taken;
  instruments_->trace.write(entry);
}

// --------------------------------------------------------------------------------------- packets

void DatagramTrace::write_made(const TracedDatagram& datagram, const DatagramPacket& packet) {
  if (!is_in_trace(datagram)) return;
  TraceEntry entry =
      packet_entry(datagram, packet, TraceEvent::kPacketMade, TraceEngine::kPacketizer);
  entry.content = packet.bytes;
  instruments_->trace.write(entry);
}

void DatagramTrace::write_delayed(const TracedDatagram& datagram, const DatagramPacket& packet,
                                  std::uint64_t delay) {
  if (!is_in_trace(datagram)) return;
  TraceEntry entry = packet_entry(datagram, packet, TraceEvent::kPacketDelayed,
                                  TraceEngine::kNetworkInterfaceChip);
  entry.value = delay * kPicosecondsPerNanosecond;
  instruments_->trace.write(entry);
}

void DatagramTrace::write_struck(const TracedDatagram& datagram, const DatagramPacket& packet,
                                 TraceEvent event) {
  if (!is_in_trace(datagram)) return;
  write_sent(datagram, packet);
  const bool corrupted = event == TraceEvent::kPacketCorrupted;
  TraceEntry entry =
      packet_entry(datagram, packet, event,
                   corrupted ? TraceEngine::kIncomingDmaEngine : TraceEngine::kBackplane);
  turn_round(entry);
  entry.content = packet.bytes;
  instruments_->trace.write(entry);
}

void DatagramTrace::write_sent(const TracedDatagram& datagram, const DatagramPacket& packet) {
  if (!is_in_trace(datagram)) return;
  instruments_->trace.write(
      packet_entry(datagram, packet, TraceEvent::kPacketSent, TraceEngine::kNetworkInterfaceChip));
}

// A page: an instant, as nothing has been done.
void DatagramTrace::write_arrived(const TracedDatagram& datagram, const DatagramPacket& packet,
                                  std::uint64_t since) {
  const bool lends = datagram.lends_page;
  TraceEntry entry = packet_entry(
      datagram, packet, lends ? TraceEvent::kPacketCrossed : TraceEvent::kMemoryWritten,
      lends ? TraceEngine::kBackplane : TraceEngine::kIncomingDmaEngine);
  turn_round(entry);
  entry.content = packet.bytes;
  if (!lends) {
    entry.duration = entry.time - since;
    entry.time = since;
  }
  if (PacketTap* const tap = instruments_->tap()) tap->passed(header_of(entry), {&packet.bytes, 1});
  if (is_in_trace(datagram)) instruments_->trace.write(entry);
}

}  // namespace vmmc::nicsim::real_time
