// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/transfer_engine.h"

#include <algorithm>
#include <atomic>

#include "nicsim/local_memory.h"
#include "nicsim/packetizer.h"
#include "platform/atomic_word.h"

namespace vmmc::nicsim {
namespace {

// A fair share: enough to make the visit worth it, little enough that others wait for microseconds
// only.
constexpr int kShareDescriptors = 16;
constexpr std::uint64_t kShareBytes = 256 * 1024;
static_assert(kShareBytes / wire::kPageSize + 1 <= kMaxRuns);

bool holds(const OutgoingPage* page, const DescriptorCopy& descriptor, std::uint64_t offset) {
  return page != nullptr && page->import_slot == descriptor.import_slot &&
         page->import_generation == descriptor.import_generation && offset >= page->first &&
         offset < page->end;
}

platform::WordOperands operands_of(const wire::AtomicOperands& asked) {
  static_assert(static_cast<int>(wire::AtomicKind::kFetchAdd) ==
                static_cast<int>(platform::WordChange::kAdd));
  return {static_cast<platform::WordChange>(asked.kind), asked.width, asked.operand,
          asked.expected};
}

std::uint32_t immediate_of(const DescriptorCopy& descriptor) {
  return descriptor.inline_notify.immediate;  // the same place for all
}

}  // namespace

TransferEngine::Served TransferEngine::serve(Process& process) {
  bool worked = false;
  bool finished = false;
  bool stalled = false;
  std::uint64_t bytes = 0;
  Transfer& transfer = process.transfer;
  for (int n = 0; n < kShareDescriptors && bytes < kShareBytes; ++n) {
    if (!transfer.active && !process.channel.take(transfer.descriptor)) break;
    const std::uint64_t before = transfer.active ? transfer.done : 0;
    const wire::Status status = step(process);
    worked |= transfer.done > before || status != wire::Status::kOk;
    bytes += transfer.done - before;
    transfer.active = status == wire::Status::kOk && transfer.done < transfer.length;
    if (transfer.active) continue;
    if (status == wire::Status::kOk && transfer.notify && !notify(process)) {
      transfer.active = stalled = true;
      break;
    }
    worked = true;
    finish(process, status);
    finished = true;
  }
  if (worked) wake_sleepers(process, finished);
  if (stalled) return Served::kStalled;
  return worked ? Served::kWorked : Served::kNothing;
}

// Begins the transfer that has been taken, or goes on with the one under way.
wire::Status TransferEngine::step(Process& process) {
  Transfer& transfer = process.transfer;
  if (!transfer.active) {
    process.channel.prefetch();
    const wire::Status status = begin(process);
    return status == wire::Status::kOk ? advance(process) : status;
  }
  if (transfer.done == transfer.length) return wire::Status::kOk;  // but for the notification
  // Between two pieces the import may have gone, and another one have come to its pages.
  const wire::Status status = check_remote(process, transfer);
  return status == wire::Status::kOk ? advance(process) : status;
}

// A wake-up is a system call, so nobody is woken for what he does not wait for.
void TransferEngine::wake_sleepers(Process& sender, bool finished) {
  // Pairs with the fence of a client that arms and looks again before it sleeps.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (const Arrival& arrival : arrivals_) {
    std::uint32_t reasons = arrival.ends_transfer ? wire::kWakeOnArrival : 0;
    if ((arrival.receiver->channel.armed() & wire::kWakeOnWatch) != 0 && is_watched(arrival)) {
      reasons |= wire::kWakeOnWatch;
    }
    arrival.receiver->channel.wake_if_armed(reasons);
  }
  arrivals_.clear();
  if (finished) sender.channel.wake_if_armed(wire::kWakeOnCompletion);
}

bool TransferEngine::is_watched(const Arrival& arrival) {
  const ChannelView::Watch watch = arrival.receiver->channel.watch();
  const auto segment = arrival.receiver->segments.find(watch.segment);
  if (segment == arrival.receiver->segments.end() || !segment->second->contains(watch.offset, 1)) {
    return false;
  }
  const std::byte* word = segment->second->data() + watch.offset;
  return word < arrival.run.address + arrival.run.length &&
         arrival.run.address < word + wire::kWatchedBytes;
}

wire::Status TransferEngine::begin(Process& process) {
  Transfer& transfer = process.transfer;
  if (!decode(transfer)) return wire::Status::kMalformed;
  const wire::Status status = check_remote(process, transfer);
  if (status != wire::Status::kOk) return status;
  return local_place_is_plausible(process, transfer) ? wire::Status::kOk : wire::Status::kBadSource;
}

// First and last byte must lie in the import that the descriptor names; a proxy's pages are
// consecutive, so all bytes between them do as well.
wire::Status TransferEngine::check_remote(const Process& process, const Transfer& transfer) const {
  const DescriptorCopy& descriptor = transfer.descriptor;
  if (descriptor.import_slot >= process.imports.size() ||
      process.imports[descriptor.import_slot].generation != descriptor.import_generation ||
      process.imports[descriptor.import_slot].phase == wire::ImportPhase::kFree) {
    return wire::Status::kUnknownImport;
  }
  const std::uint64_t last = descriptor.destination + transfer.length - 1;
  if (last < descriptor.destination) return wire::Status::kLengthOverflow;
  const OutgoingPage* first_page =
      process.outgoing_pages.find(descriptor.destination / wire::kPageSize);
  const OutgoingPage* last_page = process.outgoing_pages.find(last / wire::kPageSize);
  if (!holds(first_page, descriptor, descriptor.destination % wire::kPageSize) ||
      !holds(last_page, descriptor, last % wire::kPageSize)) {
    return wire::Status::kOutsideProxy;
  }
  const std::uint32_t missing = needed_access(transfer.operation) & ~first_page->access;
  if ((missing & wire::kAccessWrite) != 0) return wire::Status::kNotWritable;
  if ((missing & wire::kAccessRead) != 0) return wire::Status::kNotReadable;
  const bool atomic = transfer.operation == wire::Operation::kAtomic;
  return atomic && descriptor.destination % transfer.length != 0 ? wire::Status::kMisaligned
                                                                 : wire::Status::kOk;
}

// Adds `length` bytes of remote memory to a landing, `own` being the buffer's own first byte.
// Neighbouring bytes are one run. Updates to redirected parts of the buffer land elsewhere.
void TransferEngine::land(const Transfer& transfer, std::byte* own, std::uint64_t length,
                          Landing& landing) {
  while (length > 0 && landing.count < kMaxRuns) {
    Redirections::Place place{nullptr, length};
    if (transfer.is_update() && !landing.buffer->redirections.empty()) {
      place = landing.buffer->redirections.find(landing.offset + landing.bytes, length);
    }
    std::byte* const address = place.address == nullptr ? own : place.address;
    Run* const last = landing.count == 0 ? nullptr : &landing.runs[landing.count - 1];
    if (last != nullptr && last->address + last->length == address) {
      last->length += place.length;
    } else {
      landing.runs[landing.count++] = {address, place.length};
    }
    own += place.length;
    length -= place.length;
    landing.bytes += place.length;
  }
}

// Finds the remote memory of the next piece. False if a packet found no page.
bool TransferEngine::find_landing(const Process& process, std::uint64_t piece,
                                  Landing& landing) const {
  const Transfer& transfer = process.transfer;
  Packetizer packetizer(process.outgoing_pages, transfer.descriptor.destination + transfer.done,
                        piece);
  while (landing.count < kMaxRuns) {
    const auto packet = packetizer.next();
    if (!packet) return packetizer.remaining() == 0;
    const IncomingDmaEngine::Landing place = backplane_.deliver(*packet);
    if (place.address == nullptr) return false;
    if (landing.buffer == nullptr) {
      landing.buffer = place.buffer;
      const std::uint64_t page = packet->incoming_page - place.buffer->first_incoming_page;
      landing.offset = page * wire::kPageSize + packet->offset - place.buffer->page_offset;
    }
    land(transfer, place.address, packet->length, landing);
    ++landing.packets;
  }
  return true;
}

// Moves the next piece.
wire::Status TransferEngine::advance(Process& process) {
  Transfer& transfer = process.transfer;
  const std::uint64_t piece = std::min(transfer.length - transfer.done, kShareBytes);
  Landing landing;
  if (!find_landing(process, piece, landing)) return refusal(process, transfer);
  wire::Status status = wire::Status::kOk;
  if (transfer.operation == wire::Operation::kAtomic) {
    process.channel.set_previous(
        platform::change_word(landing.runs[0].address, operands_of(transfer.descriptor.atomic)));
  } else {
    status = move_bytes(process, transfer, {landing.runs.data(), landing.count});
  }
  if (status != wire::Status::kOk) return status;
  transfer.done += landing.bytes;
  if (transfer.operation != wire::Operation::kFetch) count_arrival(process, landing);
  return wire::Status::kOk;
}

void TransferEngine::count_arrival(Process& sender, const Landing& landing) {
  const Transfer& transfer = sender.transfer;
  const bool done = transfer.done == transfer.length;
  ExportedBuffer& buffer = *landing.buffer;
  wire::ChannelCounters& received = buffer.owner->channel.counters();
  ChannelView::count(sender.channel.counters().packets_sent, landing.packets);
  ChannelView::count(received.bytes_received, landing.bytes);
  if (done) ChannelView::count(received.transfers_received);
  if (buffer.redirectable && transfer.is_update()) {
    const std::uint64_t elsewhere = buffer.redirections.count(landing.offset, landing.bytes);
    if (elsewhere > 0) ChannelView::count(received.bytes_redirected, elsewhere);
  }
  for (std::size_t i = 0; i < landing.count; ++i) {
    arrivals_.push_back({buffer.owner, landing.runs[i], done});
  }
}

// Why a packet found no page to land on: the exporter took the buffer back or ended.
wire::Status TransferEngine::refusal(const Process& process, const Transfer& transfer) const {
  switch (process.imports[transfer.descriptor.import_slot].phase) {
    case wire::ImportPhase::kPeerDead:
      return wire::Status::kPeerDead;
    case wire::ImportPhase::kUnexported:
      return wire::Status::kUnexported;
    case wire::ImportPhase::kFree:
    case wire::ImportPhase::kGranted:
    case wire::ImportPhase::kGrantedToHost:
      break;
  }
  return wire::Status::kUnknownImport;
}

// The receiver is interrupted only if the message asks for it and the buffer's page table entry
// allows it. False if its queue has no room.
bool TransferEngine::notify(Process& sender) {
  const Transfer& transfer = sender.transfer;
  const Import& import = sender.imports[transfer.descriptor.import_slot];
  if (import.generation != transfer.descriptor.import_generation)
    return true;  // given up meanwhile
  ExportedBuffer* const buffer = import.buffer;
  if (buffer == nullptr || !buffer->notifies) return true;
  Process& receiver = *buffer->owner;
  if (!buffer->accepts_notifications || !receiver.accepts_notifications) {
    ChannelView::count(receiver.channel.counters().notifications_discarded);
    return true;
  }
  const std::uint64_t proxy =
      std::uint64_t{import.first_page} * wire::kPageSize + buffer->page_offset;
  const std::uint64_t offset = transfer.descriptor.destination - proxy;
  // A message that began before the buffer is a lie of the sender's: cut short.
  const std::uint64_t before = std::min(transfer.message_length - transfer.length, offset);
  const wire::Notification notification{.cookie = buffer->cookie,
                                        .offset = offset - before,
                                        .length = transfer.length + before,
                                        .sender_node = sender.node,
                                        .sender_process = sender.id,
                                        .immediate = immediate_of(transfer.descriptor),
                                        .reserved = {}};
  if (!receiver.notifications.post(notification)) {
    // An unexport that waits for this queue must not wait for somebody's handlers, who may be the
    // one who waits.
    if (sender.awaited == 0) {
      sender.stalled_on = &receiver;
      ChannelView::count(sender.channel.counters().notification_stalls);
      return false;
    }
    if (!receiver.notifications.keep(notification)) {
      ChannelView::count(receiver.channel.counters().notifications_discarded);
      return true;
    }
  }
  ChannelView::count(sender.channel.counters().notifications_sent);
  return true;
}

// A transfer that fails in a later piece has brought bytes all the same: somebody may wait for them.
void TransferEngine::announce_fragment(const Process& process) {
  const Transfer& transfer = process.transfer;
  if (transfer.done == 0 || transfer.operation == wire::Operation::kFetch) return;
  const Import& import = process.imports[transfer.descriptor.import_slot];
  if (import.buffer != nullptr) arrivals_.push_back({import.buffer->owner, Run{}, true});
}

void TransferEngine::finish(Process& process, wire::Status status) {
  const Transfer& transfer = process.transfer;
  wire::ChannelCounters& counters = process.channel.counters();
  std::atomic<std::uint64_t>* const by_place[] = {
      &counters.inline_transfers, &counters.staged_transfers, &counters.segment_transfers,
      &counters.memory_transfers};
  if (status != wire::Status::kOk) {
    ChannelView::count(counters.transfers_refused);
    announce_fragment(process);
  } else if (transfer.operation == wire::Operation::kAtomic) {
    ChannelView::count(counters.atomics);
  } else {
    ChannelView::count(*by_place[static_cast<int>(transfer.place) - 1]);
    const bool fetch = transfer.operation == wire::Operation::kFetch;
    ChannelView::count(fetch ? counters.fetches : counters.transfers_sent);
    ChannelView::count(fetch ? counters.bytes_fetched : counters.bytes_sent, transfer.length);
    if (transfer.operation == wire::Operation::kAutomaticUpdate) {
      ChannelView::count(counters.automatic_updates);
    }
  }
  process.channel.complete(status);
}

}  // namespace vmmc::nicsim
