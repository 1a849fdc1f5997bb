// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// SimulatedEngine: what it tells the instruments.

#include "nicsim/parts/network_packet.h"
#include "nicsim/simulated/simulated_engine.h"
#include "nicsim/transfer_checks.h"

namespace vmmc::nicsim::simulated {
namespace {

using wire::TraceEvent;

// Where the packet has come to, or what it has brought about there.
bool is_at_receiver(TraceEvent event) {
  switch (event) {
    case TraceEvent::kPacketCrossed:
    case TraceEvent::kIncomingLookup:
    case TraceEvent::kMemoryWritten:
    case TraceEvent::kInterrupt:
    case TraceEvent::kPacketDropped:
    case TraceEvent::kPacketCorrupted:
      return true;
    default:
      return false;
  }
}

bool is_reply(const parts::NetworkPacket& packet) {
  return packet.purpose == parts::Purpose::kFetchData ||
         packet.purpose == parts::Purpose::kAtomicReply ||
         packet.purpose == parts::Purpose::kRefusal;
}

bool shows_content(TraceEvent event) {
  return event == TraceEvent::kPacketMade || event == TraceEvent::kMemoryWritten ||
         event == TraceEvent::kPacketDropped || event == TraceEvent::kPacketCorrupted;
}

void describe(TraceEntry& entry, const parts::NetworkPacket& packet) {
  const parts::Operation& operation = *packet.operation;
  entry.packet = packet.number;
  entry.length = packet.packet.length;
  entry.offset += packet.position - operation.destination;
  entry.page = entry.event == TraceEvent::kOutgoingLookup
                   ? static_cast<std::uint32_t>(packet.position / wire::kPageSize)
                   : packet.packet.incoming_page;
  if (packet.position + packet.packet.length >= operation.destination + operation.length) {
    entry.flags |= wire::kTraceLastPacket;
  }
  if (shows_content(entry.event)) entry.content = packet.content;
}

}  // namespace

// As it was when it was taken; else as it is now, if its process is still there.
TracedOperation SimulatedEngine::identity_of(const Issued& operation) {
  const TracedOperation& traced = operation.transfer.traced;
  if (traced.number != 0 || operation.by->process == nullptr) return traced;
  return identify(*operation.by->process, operation.transfer, instruments_);
}

void SimulatedEngine::write_at_now(TraceEntry entry) {
  entry.time = now();
  instruments_.trace.write(entry);
}

void SimulatedEngine::note_taken(Issued& operation) {
  TracedOperation& traced = operation.transfer.traced;
  traced = identify(*operation.by->process, operation.transfer, instruments_);
  traced.taken = now();
  write_at_now(at_sender(instruments_, traced, TraceEvent::kTaken, wire::TraceEngine::kProcessor));
}

void SimulatedEngine::happened(const parts::Step& step) {
  const parts::Operation* const of =
      step.packet != nullptr ? step.packet->operation : step.operation;
  if (of == nullptr) {  // an interrupt that is not of one operation
    return write_at_now(
        {.event = step.event, .engine = step.engine, .node = step.node, .value = step.value});
  }
  const auto& operation = static_cast<const Issued&>(*of);
  const TracedOperation& traced = operation.transfer.traced;
  if (!is_in_trace(instruments_, traced)) return;  // the trace began later
  const bool reply = step.packet != nullptr && is_reply(*step.packet);
  TraceEntry entry = is_at_receiver(step.event) != reply
                         ? at_receiver(instruments_, traced, step.event, step.engine)
                         : at_sender(instruments_, traced, step.event, step.engine);
  entry.node = step.node;
  entry.value = step.value;
  if (step.packet != nullptr) {
    describe(entry, *step.packet);
  } else {
    entry.offset += step.offset;
    entry.length = step.length;
  }
  if (step.refused) {
    const Process* const process = operation.by->process;
    entry.status = static_cast<std::int32_t>(
        process == nullptr ? wire::Status::kUnknownImport : refusal(*process, operation.transfer));
  }
  entry.time = now();
  if (step.since != parts::kNever) {
    entry.time = step.since;
    entry.duration = now() - step.since;
  }
  instruments_.trace.write(entry);
}

void SimulatedEngine::note_finished(const Issued& operation, wire::Status status) {
  const TracedOperation& traced = operation.transfer.traced;
  if (status == wire::Status::kOk) {
    if (!is_in_trace(instruments_, traced)) return;
    TraceEntry entry =
        at_sender(instruments_, traced, TraceEvent::kCompleted, wire::TraceEngine::kProcessor);
    entry.value = now() - operation.began;
    return write_at_now(entry);
  }
  note_failed(instruments_, identity_of(operation),
              operation.begun ? TraceEvent::kCompleted : TraceEvent::kRefused, status);
}

void SimulatedEngine::note_notified(const Notice& notice) {
  if (!instruments_.trace.on() || notice.sender->process == nullptr) return;
  const TracedOperation& traced = operation_of(notice).transfer.traced;
  if (!is_in_trace(instruments_, traced)) return;
  TraceEntry entry =
      at_receiver(instruments_, traced, TraceEvent::kNotified, wire::TraceEngine::kNotification);
  entry.offset = notice.notification.offset;
  entry.length = notice.notification.length;
  entry.value = notice.receiver->process->notifications.waiting();
  write_at_now(entry);
}

void SimulatedEngine::note_stall(const Notice& notice) {
  if (!instruments_.trace.on()) return;
  const TracedOperation& traced = operation_of(notice).transfer.traced;
  if (!is_in_trace(instruments_, traced)) return;
  TraceEntry entry = at_sender(instruments_, traced, TraceEvent::kNotificationStall,
                               wire::TraceEngine::kNotification);
  entry.value = notice.receiver->process->notifications.waiting();
  write_at_now(entry);
}

}  // namespace vmmc::nicsim::simulated
