// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// SimulatedEngine: from the bytes of operations to their ends.

#include <utility>

#include "nicsim/local_memory.h"
#include "nicsim/simulated/simulated_engine.h"
#include "nicsim/transfer_checks.h"
#include "platform/word_copy.h"

namespace vmmc::nicsim::simulated {

// ------------------------------------------------------------------------------- bytes move

void SimulatedEngine::read_source(parts::Operation& operation, std::uint64_t offset,
                                  std::span<std::byte> bytes) {
  Issued& reading = issued(operation);
  if (reading.by->process == nullptr) {
    reading.lost = true;
    return;
  }
  reading.transfer.done = offset;
  const Run run{bytes.data(), bytes.size()};
  const wire::Status status = move_bytes(*reading.by->process, reading.transfer, {&run, 1});
  if (status == wire::Status::kOk) return;
  reading.lost = true;
  reading.status = status;
}

void SimulatedEngine::source_free(parts::Operation& operation) {
  Issued& freed = issued(operation);
  freed.source_read = true;
  Participant& participant = *freed.by;
  if (participant.process == nullptr) return;
  std::uint64_t ticket = participant.process->channel.completed();
  for (const auto& each : participant.under_way) {
    if (!each->source_read && !each->done) break;
    ticket = each->ticket + 1;
  }
  participant.process->channel.free_sources(ticket);
  rouse(participant, wire::kWakeOnCompletion);
}

void SimulatedEngine::land(parts::Operation& operation, const Packet& packet,
                           std::span<const std::byte> bytes) {
  Issued& landing = issued(operation);
  instruments_.pace.packet_passed();
  const IncomingDmaEngine::Landing place = machine_.backplane().deliver(packet);
  if (landing.lost || place.address == nullptr) return;
  ExportedBuffer& buffer = *place.buffer;
  const std::uint64_t page = packet.incoming_page - buffer.first_incoming_page;
  const std::uint64_t first = page * wire::kPageSize + packet.offset - buffer.page_offset;
  Participant& receiver = of(*buffer.owner);
  for (std::size_t done = 0; done < bytes.size();) {
    const auto redirected = buffer.redirections.find(first + done, bytes.size() - done);
    std::byte* const to = redirected.address == nullptr ? place.address + done : redirected.address;
    platform::copy_words(to, bytes.data() + done, redirected.length);
    receiver.threads.arrived(*buffer.owner, {to, redirected.length});
    done += redirected.length;
  }
  consider(receiver);
  landing.landed += bytes.size();
  Process* const sender = landing.by->process;
  if (sender == nullptr) return;
  // An automatic update is a packet, as the model's packetizer has combined it.
  const bool automatic = landing.kind == parts::OperationKind::kAutomaticUpdate;
  const bool ends = automatic || landing.landed >= landing.length;
  count_arrived(*sender, landing.transfer, {buffer, first, bytes.size(), 1, ends});
  if (!automatic) return;
  Transfer packet_of = landing.transfer;
  packet_of.length = bytes.size();
  count_finished(*sender, packet_of, wire::Status::kOk);
}

void SimulatedEngine::struck(parts::Operation& operation, const Packet& packet, bool corrupted) {
  Issued& sent = issued(operation);
  instruments_.pace.packet_passed();
  Process* const sender = sent.by->process;
  if (sender == nullptr) return;
  if (corrupted) note_corrupted(instruments_, identity_of(sent));
  ChannelView::count(sender->channel.counters().packets_sent);
  if (sent.kind != parts::OperationKind::kAutomaticUpdate) return;
  Transfer packet_of = sent.transfer;
  packet_of.length = packet.length;
  count_finished(*sender, packet_of, wire::Status::kOk);
}

void SimulatedEngine::read_remote(parts::Operation&, const Packet& packet,
                                  std::span<std::byte> bytes) {
  const IncomingDmaEngine::Landing place = machine_.backplane().deliver(packet);
  if (place.address != nullptr) {
    platform::read_words(bytes.data(), place.address, bytes.size());
  }
}

void SimulatedEngine::land_local(parts::Operation& operation, std::uint64_t offset,
                                 std::span<const std::byte> bytes) {
  Issued& fetching = issued(operation);
  instruments_.pace.packet_passed();
  if (fetching.by->process == nullptr) return;
  fetching.transfer.done = offset;
  // Written only if it is the source of a move, which this is not.
  const Run run{const_cast<std::byte*>(bytes.data()), bytes.size()};
  const wire::Status status = move_bytes(*fetching.by->process, fetching.transfer, {&run, 1});
  if (status != wire::Status::kOk) fetching.status = status;
}

void SimulatedEngine::change_remote(parts::Operation& operation, const Packet& packet) {
  Issued& changing = issued(operation);
  instruments_.pace.packet_passed();
  const IncomingDmaEngine::Landing place = machine_.backplane().deliver(packet);
  if (place.address == nullptr) return;
  changing.word_found =
      platform::change_word(place.address, operands_of(changing.transfer.descriptor.atomic));
  Process& owner = *place.buffer->owner;
  of(owner).threads.arrived(owner, {place.address, changing.length});
  consider(of(owner));
}

// -------------------------------------------------------------------------------- operations end

void SimulatedEngine::delivered(parts::Operation& operation, bool accepted) {
  Issued& ended = issued(operation);
  Participant& participant = *ended.by;
  ended.arrived = true;
  if (!accepted) instruments_.pace.packet_passed();
  if (participant.process == nullptr) {
    std::erase_if(participant.under_way, [&](const auto& each) { return each.get() == &ended; });
    return;
  }
  if (accepted && ended.kind != parts::OperationKind::kFlush) {
    instruments_.latencies.add(ended.transfer.operation,
                               (now() - ended.began) / parts::kPicosecondsPerNanosecond);
  }
  if (accepted && ended.notifies) return;
  wire::Status status = ended.status;
  if (!accepted) status = refusal(*participant.process, ended.transfer);
  finish(ended, status);
}

void SimulatedEngine::finish(Issued& operation, wire::Status status) {
  Participant& participant = *operation.by;
  operation.done = true;
  operation.status = status;
  note_finished(operation, status);
  const bool counted_at_landing =
      operation.kind == parts::OperationKind::kAutomaticUpdate && status == wire::Status::kOk;
  if (operation.kind != parts::OperationKind::kFlush && !counted_at_landing) {
    count_finished(*participant.process, operation.transfer, status);
  }
  complete_in_order(participant);
}

void SimulatedEngine::complete_in_order(Participant& participant) {
  ChannelView& channel = participant.process->channel;
  bool completed = false;
  while (!participant.under_way.empty() && participant.under_way.front()->done) {
    const Issued& first = *participant.under_way.front();
    if (first.kind == parts::OperationKind::kAtomic) channel.set_previous(first.word_found);
    channel.complete(first.status);
    participant.under_way.pop_front();
    completed = true;
  }
  if (completed) rouse(participant, wire::kWakeOnCompletion);
}

// ------------------------------------------------------------------------------- notifications

std::uint64_t SimulatedEngine::notification_token(parts::Operation& operation) {
  Issued& asking = issued(operation);
  Process* const sender = asking.by->process;
  if (sender == nullptr) return 0;
  const auto notice = notice_of(machine_.backplane(), *sender, asking.transfer);
  if (!notice) return 0;
  asking.notifies = true;
  notices_.emplace(next_token_,
                   Notice{asking.by, &of(*notice->receiver), asking.ticket, notice->notification});
  return next_token_++;
}

// To be counted.
void SimulatedEngine::notification_refused(parts::Operation& operation) {
  const Issued& asking = issued(operation);
  if (asking.by->process == nullptr) return;
  (void)notice_of(machine_.backplane(), *asking.by->process, asking.transfer);
}

void SimulatedEngine::notified(std::uint64_t token) {
  const auto found = notices_.find(token);
  const Notice notice = found->second;
  notices_.erase(found);
  if (notice.receiver->process == nullptr) return end(notice);
  queue_or_stall(notice);
}

// False: there is no room, or others wait for it already.
bool SimulatedEngine::queue(const Notice& notice) {
  if (!notice.receiver->process->notifications.post(notice.notification)) return false;
  if (notice.sender->process != nullptr) {
    ChannelView::count(notice.sender->process->channel.counters().notifications_sent);
  }
  note_notified(notice);
  rouse(*notice.receiver, wire::kWakeOnNotification);
  end(notice);
  return true;
}

void SimulatedEngine::queue_or_stall(const Notice& notice) {
  Participant& receiver = *notice.receiver;
  if (receiver.without_room.empty() && queue(notice)) return;
  Participant& sender = *notice.sender;
  if (sender.process == nullptr) {
    ChannelView::count(receiver.process->channel.counters().notifications_discarded);
    return;
  }
  if (sender.stalled++ == 0) {
    ChannelView::count(sender.process->channel.counters().notification_stalls);
    note_stall(notice);
  }
  receiver.without_room.push_back(notice);
  if (sender.process->awaited > 0) stall_no_more(sender);
}

SimulatedEngine::Issued& SimulatedEngine::operation_of(const Notice& notice) {
  auto& under_way = notice.sender->under_way;
  return *under_way[notice.ticket - under_way.front()->ticket];
}

// As long as it waits its sender lives.
bool SimulatedEngine::is_asked_for(const Notice& notice) {
  const Transfer& transfer = operation_of(notice).transfer;
  return notice_of(machine_.backplane(), *notice.sender->process, transfer).has_value();
}

// The operation has been there.
void SimulatedEngine::end(const Notice& notice) {
  if (notice.sender->process == nullptr) return;
  Issued& operation = operation_of(notice);
  finish(operation, operation.status);
}

// While nobody runs: room is found at times that do not depend on who is faster. One that the receiver
// does not accept any more needs none.
void SimulatedEngine::bring_in_waiting(Participant& receiver) {
  if (receiver.process->notifications.refill()) rouse(receiver, wire::kWakeOnNotification);
  for (const Notice& notice : std::exchange(receiver.without_room, {})) {
    const bool ended = !is_asked_for(notice);
    if (ended) end(notice);
    if (ended || (receiver.without_room.empty() && queue(notice))) {
      go_on(*notice.sender);
    } else {
      receiver.without_room.push_back(notice);
    }
  }
}

// A notice of the sender's waits no more.
void SimulatedEngine::go_on(Participant& sender) {
  if (--sender.stalled == 0) queue_.after<&Participant::issue>(0, sender);
}

const Process* SimulatedEngine::stalled_on(const Process& process) const {
  const auto found = participants_.find(&process);
  if (found == participants_.end() || found->second->stalled == 0) return nullptr;
  for (const auto& [identity, receiver] : by_identity_) {
    for (const Notice& notice : receiver->without_room) {
      if (notice.sender == found->second.get()) return receiver->process;
    }
  }
  return nullptr;
}

// An unexport that waits for this process must not wait for handlers.
void SimulatedEngine::stall_no_more(Participant& sender) {
  for (const auto& entry : by_identity_) {
    const auto& receiver = entry.second;
    if (sender.stalled == 0) return;
    std::erase_if(receiver->without_room, [&](const Notice& notice) {
      if (notice.sender != &sender) return false;
      --sender.stalled;
      const bool kept = receiver->process->notifications.keep(notice.notification);
      ChannelView::count(kept ? sender.process->channel.counters().notifications_sent
                              : receiver->process->channel.counters().notifications_discarded);
      end(notice);
      return true;
    });
  }
}

// What had no room yet is lost with its sender; those that waited for room of a receiver go on.
void SimulatedEngine::forget_notices_of(Participant& leaver) {
  for (const auto& [identity, receiver] : by_identity_) {
    std::erase_if(receiver->without_room,
                  [&](const Notice& notice) { return notice.sender == &leaver; });
  }
  for (const Notice& notice : std::exchange(leaver.without_room, {})) {
    if (notice.sender == &leaver) continue;
    end(notice);
    go_on(*notice.sender);
  }
}

}  // namespace vmmc::nicsim::simulated
