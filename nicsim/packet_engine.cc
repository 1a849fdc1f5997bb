// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// TransferEngine, packet by packet: what it does while the instruments look at it.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

#include "nicsim/local_memory.h"
#include "nicsim/traced_operation.h"
#include "nicsim/transfer_checks.h"
#include "nicsim/transfer_engine.h"

namespace vmmc::nicsim {
namespace {

using wire::TraceEngine;
using wire::TraceEvent;

// A fair share.
constexpr int kSharePackets = 16;

constexpr std::uint64_t kPicosecondsPerNanosecond = 1000;

bool ends_with_this(const Transfer& transfer, std::uint64_t bytes) {
  return transfer.done + bytes >= transfer.length;
}

}  // namespace

TransferEngine::Served TransferEngine::serve_by_packet(Process& process) {
  Served served = Served::kNothing;
  bool finished = false;
  Transfer& transfer = process.transfer;
  for (int n = 0; n < kSharePackets; ++n) {
    if (first_ != nullptr) first_->serve_waiting();
    if (!transfer.active && !process.channel.ready()) break;
    if (!may_go_on(process)) {
      if (served == Served::kNothing) served = Served::kHeld;
      break;
    }
    // The client may have written over what was ready a moment ago.
    if (!transfer.active && !process.channel.take(transfer.descriptor)) break;
    const wire::Status status = packet_step(process);
    served = Served::kWorked;
    transfer.active = status == wire::Status::kOk && transfer.done < transfer.length;
    if (transfer.active) continue;
    if (status == wire::Status::kOk && transfer.notify && !notify(process)) {
      transfer.active = true;
      served = Served::kStalled;
      break;
    }
    finish(process, status);
    finished = true;
  }
  if (served != Served::kNothing) wake_sleepers(process, finished);
  return served;
}

// A transfer that waits for room for its notification has no packet to move.
bool TransferEngine::may_go_on(const Process& process) {
  const Transfer& transfer = process.transfer;
  if (instruments_.pace.is_full()) return true;
  if (transfer.active && transfer.done == transfer.length) return true;
  return instruments_.pace.may_pass();
}

wire::Status TransferEngine::packet_step(Process& process) {
  Transfer& transfer = process.transfer;
  if (!transfer.active) {
    const wire::Status status = begin_traced(process);
    return status == wire::Status::kOk && transfer.length > 0 ? advance_packet(process) : status;
  }
  if (transfer.done == transfer.length) return wire::Status::kOk;
  const wire::Status status = check_remote(process, transfer);
  return status == wire::Status::kOk ? advance_packet(process) : status;
}

wire::Status TransferEngine::begin_traced(Process& process) {
  Transfer& transfer = process.transfer;
  const wire::Status status = begin(process);
  if (transfer.operation == wire::Operation::kMark && status == wire::Status::kOk) return status;
  transfer.traced = identify(process, transfer, instruments_);
  transfer.noted = true;
  if (!instruments_.trace.on()) return status;
  const TraceEntry taken =
      at_sender(instruments_, transfer.traced, TraceEvent::kTaken, TraceEngine::kProcessor);
  transfer.traced.taken = taken.time;
  if (transfer.measured_since == 0) transfer.measured_since = OperationLatencies::now_ns();
  instruments_.trace.write(taken);
  return status;
}

// Of the packet that begins at `done`, on the sender's side or the receiver's.
TraceEntry TransferEngine::packet_entry(const Process& process, const Packet& packet, bool receiver,
                                        TraceEvent event, TraceEngine engine) const {
  const Transfer& transfer = process.transfer;
  TraceEntry entry = receiver ? at_receiver(instruments_, transfer.traced, event, engine)
                              : at_sender(instruments_, transfer.traced, event, engine);
  (receiver ? entry.node : entry.peer) = packet.node;
  entry.length = packet.length;
  entry.offset += transfer.done;
  if (ends_with_this(transfer, packet.length)) entry.flags |= wire::kTraceLastPacket;
  return entry;
}

void TransferEngine::note_made(const Process& process, const std::optional<Packet>& packet,
                               std::span<const std::byte> content) {
  const Transfer& transfer = process.transfer;
  TraceEntry entry =
      packet_entry(process, packet.value_or(Packet{transfer.traced.peer, 0, 0, 0, 0}), false,
                   TraceEvent::kOutgoingLookup, TraceEngine::kOutgoingPageTable);
  entry.page = static_cast<std::uint32_t>((transfer.descriptor.destination + transfer.done) /
                                          wire::kPageSize);
  entry.value = packet ? packet->incoming_page : 0;
  if (!packet) entry.status = static_cast<std::int32_t>(refusal(process, transfer));
  instruments_.trace.write(entry);
  if (!packet) return;
  entry = packet_entry(process, *packet, false, TraceEvent::kPacketMade, TraceEngine::kPacketizer);
  entry.page = packet->incoming_page;
  entry.content = content;
  instruments_.trace.write(entry);
}

// A packet over more stretches of redirected memory than one step moves is no longer than these.
std::optional<Packet> TransferEngine::next_packet(const Process& process) const {
  const Transfer& transfer = process.transfer;
  auto packet = Packetizer(process.outgoing_pages, transfer.descriptor.destination + transfer.done,
                           transfer.length - transfer.done)
                    .next();
  if (!packet || !transfer.is_update()) return packet;
  const ExportedBuffer* const buffer = backplane_.deliver(*packet).buffer;
  if (buffer == nullptr || buffer->redirections.empty()) return packet;
  Landing landing;
  if (find_landing(process, packet->length, landing)) {
    packet->length = static_cast<std::uint32_t>(landing.bytes);
  }
  return packet;
}

wire::Status TransferEngine::advance_packet(Process& process) {
  Transfer& transfer = process.transfer;
  const bool traced = is_in_trace(instruments_, transfer.traced);
  const auto packet = next_packet(process);
  std::array<std::byte, wire::kTraceContentBytes> first;
  std::span<const std::byte> content;
  if (traced && packet && transfer.is_update()) {
    const Run run{first.data(), std::min<std::size_t>(first.size(), packet->length)};
    const wire::Status status = move_bytes(process, transfer, {&run, 1});
    if (status != wire::Status::kOk) return status;
    content = {run.address, run.length};
  }
  const bool again = std::exchange(transfer.packet_waits, false);
  if (traced && !again) note_made(process, packet, content);
  if (!packet) return refusal(process, transfer);
  transfer.traced.left = true;
  if (!again && transfer.is_update()) {
    const auto fault = instruments_.faults.strike(process.node, packet->node);
    if (fault) return strike(process, *packet, *fault, content);
  }
  return move_packet(process, *packet, content);
}

wire::Status TransferEngine::move_packet(Process& process, const Packet& packet,
                                         std::span<const std::byte> content) {
  Transfer& transfer = process.transfer;
  Trace& trace = instruments_.trace;
  const bool traced = is_in_trace(instruments_, transfer.traced);
  if (instruments_.tap() != nullptr) identify_late(process);
  instruments_.pace.packet_passed();
  const std::byte* const there = backplane_.deliver(packet).address;
  if (traced) {
    trace.write(packet_entry(process, packet, false, TraceEvent::kPacketSent,
                             TraceEngine::kNetworkInterfaceChip));
    TraceEntry lookup = packet_entry(process, packet, true, TraceEvent::kIncomingLookup,
                                     TraceEngine::kIncomingPageTable);
    lookup.page = packet.incoming_page;
    if (there == nullptr) lookup.status = static_cast<std::int32_t>(refusal(process, transfer));
    trace.write(lookup);
  }
  const bool fetch = transfer.operation == wire::Operation::kFetch;
  TraceEntry written = packet_entry(process, packet, !fetch, TraceEvent::kMemoryWritten,
                                    TraceEngine::kIncomingDmaEngine);
  const std::uint64_t before = transfer.done;
  const std::size_t arrivals = arrivals_.size();
  const wire::Status status = advance(process, packet.length);
  transfer.last_struck = false;
  written.duration = trace.now() - written.time;
  written.page = packet.incoming_page;
  written.length = transfer.done - before;
  if (status == wire::Status::kOk && instruments_.tap() != nullptr) {
    show(written, {there, fetch ? written.length : 0}, arrivals);
  }
  if (status == wire::Status::kOk && traced) {
    written.content = transfer.is_update() ? content : std::span(there, written.length);
    trace.write(written);
  }
  ++transfer.traced.packets;
  return status;
}

// For the tap: an operation that was begun before anybody looked. The trace that may be on has not seen it
// begin.
void TransferEngine::identify_late(Process& process) {
  Transfer& transfer = process.transfer;
  if (transfer.traced.number != 0) return;
  transfer.traced = identify(process, transfer, instruments_);
  transfer.traced.generation = 0;
  transfer.traced.left = transfer.noted = true;
}

// To the tap: a packet, which is where it has been fetched from, or where the arrivals from `first` on say.
void TransferEngine::show(const TraceEntry& written, std::span<const std::byte> fetched,
                          std::size_t first) {
  std::array<std::span<const std::byte>, kMaxRuns> pieces;
  std::size_t count = 0;
  if (!fetched.empty()) pieces[count++] = fetched;
  for (; first < arrivals_.size() && count < pieces.size(); ++first) {
    pieces[count++] = {arrivals_[first].run.address, arrivals_[first].run.length};
  }
  instruments_.tap()->passed(header_of(written), {pieces.data(), count});
}

// The fault plan has chosen this packet.
wire::Status TransferEngine::strike(Process& process, const Packet& packet,
                                    const FaultPlan::Fault& fault,
                                    std::span<const std::byte> content) {
  using Action = FaultPlan::Action;
  Transfer& transfer = process.transfer;
  transfer.noted = true;
  Trace& trace = instruments_.trace;
  if (fault.action == Action::kDelay) {
    transfer.packet_waits = true;
    const auto delay = static_cast<std::int64_t>(std::min<std::uint64_t>(fault.delay, INT64_MAX));
    instruments_.pace.hold_for(std::chrono::nanoseconds(delay));
    TraceEntry delayed = packet_entry(process, packet, false, TraceEvent::kPacketDelayed,
                                      TraceEngine::kNetworkInterfaceChip);
    delayed.value = static_cast<std::uint64_t>(delay) * kPicosecondsPerNanosecond;
    if (is_in_trace(instruments_, transfer.traced)) trace.write(delayed);
    return wire::Status::kOk;
  }
  instruments_.pace.packet_passed();
  // Its bytes leave their source, as they would.
  std::array<std::byte, wire::kPageSize> lost;
  const Run run{lost.data(), packet.length};
  if (const wire::Status status = move_bytes(process, transfer, {&run, 1});
      status != wire::Status::kOk) {
    return status;
  }
  ChannelView::count(process.channel.counters().packets_sent);
  const bool corrupted = fault.action == Action::kCorrupt;
  if (corrupted) {
    // One that was begun before anybody looked has not been identified.
    note_corrupted(instruments_, transfer.traced.number != 0
                                     ? transfer.traced
                                     : identify(process, transfer, instruments_));
  }
  if (is_in_trace(instruments_, transfer.traced)) {
    trace.write(packet_entry(process, packet, false, TraceEvent::kPacketSent,
                             TraceEngine::kNetworkInterfaceChip));
    TraceEntry struck =
        packet_entry(process, packet, true,
                     corrupted ? TraceEvent::kPacketCorrupted : TraceEvent::kPacketDropped,
                     corrupted ? TraceEngine::kIncomingDmaEngine : TraceEngine::kBackplane);
    struck.content = content;
    trace.write(struck);
  }
  transfer.done += packet.length;
  transfer.last_struck = true;
  ++transfer.traced.packets;
  return wire::Status::kOk;
}

// --------------------------------------------------------------------------- notifications

void TransferEngine::note_notified(const Process& sender, const Process& receiver,
                                   const wire::Notification& notification) {
  const TracedOperation& operation = sender.transfer.traced;
  if (!is_in_trace(instruments_, operation)) return;
  TraceEntry entry =
      at_receiver(instruments_, operation, TraceEvent::kNotified, TraceEngine::kNotification);
  entry.offset = notification.offset;
  entry.length = notification.length;
  entry.value = receiver.notifications.waiting();
  instruments_.trace.write(entry);
}

// Once for each message: who looks again, for whatever reason, and finds no room waits still.
void TransferEngine::note_stall(Process& sender, const Process& receiver) {
  if (std::exchange(sender.transfer.has_stalled, true)) return;
  sender.transfer.noted = true;
  ChannelView::count(sender.channel.counters().notification_stalls);
  const TracedOperation& operation = sender.transfer.traced;
  if (!is_in_trace(instruments_, operation)) return;
  TraceEntry entry = at_sender(instruments_, operation, TraceEvent::kNotificationStall,
                               TraceEngine::kNotification);
  entry.value = receiver.notifications.waiting();
  instruments_.trace.write(entry);
}

}  // namespace vmmc::nicsim
