// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/transfer_checks.h"

#include <algorithm>

#include "nicsim/local_memory.h"

namespace vmmc::nicsim {
namespace {

bool holds(const OutgoingPage* page, const DescriptorCopy& descriptor, std::uint64_t offset) {
  return page != nullptr && page->import_slot == descriptor.import_slot &&
         page->import_generation == descriptor.import_generation && offset >= page->first &&
         offset < page->end;
}

std::uint32_t immediate_of(const DescriptorCopy& descriptor) {
  return descriptor.inline_notify.immediate;  // the same place for all
}

}  // namespace

platform::WordOperands operands_of(const wire::AtomicOperands& asked) {
  static_assert(static_cast<int>(wire::AtomicKind::kFetchAdd) ==
                static_cast<int>(platform::WordChange::kAdd));
  return {static_cast<platform::WordChange>(asked.kind), asked.width, asked.operand,
          asked.expected};
}

wire::Status check_transfer(const Process& process, const Transfer& transfer) {
  const wire::Status status = check_remote(process, transfer);
  if (status != wire::Status::kOk) return status;
  return local_place_is_plausible(process, transfer) ? wire::Status::kOk : wire::Status::kBadSource;
}

// First and last byte must lie in the import that the descriptor names; a proxy's pages are
// consecutive, so all bytes between them do as well.
wire::Status check_remote(const Process& process, const Transfer& transfer) {
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

wire::Status refusal(const Process& process, const Transfer& transfer) {
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
// allows it.
std::optional<Notice> notice_of(const Backplane& backplane, const Process& sender,
                                const Transfer& transfer) {
  const Import& import = sender.imports[transfer.descriptor.import_slot];
  if (import.generation != transfer.descriptor.import_generation) {
    return std::nullopt;  // given up meanwhile
  }
  ExportedBuffer* const buffer = import.buffer;
  if (buffer == nullptr || !buffer->notifies) return std::nullopt;
  Process& receiver = *buffer->owner;
  const IncomingPageTable& table = backplane.node(receiver.node).incoming_pages;
  if (!table.find(buffer->first_incoming_page)->interrupts) {
    ChannelView::count(receiver.channel.counters().notifications_discarded);
    return std::nullopt;
  }
  const std::uint64_t proxy =
      std::uint64_t{import.first_page} * wire::kPageSize + buffer->page_offset;
  const std::uint64_t offset = transfer.descriptor.destination - proxy;
  // A message that began before the buffer is a lie of the sender's: cut short.
  const std::uint64_t before = std::min(transfer.message_length - transfer.length, offset);
  return Notice{&receiver,
                {.cookie = buffer->cookie,
                 .offset = offset - before,
                 .length = transfer.length + before,
                 .sender_node = sender.node,
                 .sender_process = sender.id,
                 .immediate = immediate_of(transfer.descriptor),
                 .reserved = {}}};
}

void count_arrived(const Process& sender, const Transfer& transfer, const CountedArrival& arrival) {
  wire::ChannelCounters& received = arrival.buffer.owner->channel.counters();
  ChannelView::count(sender.channel.counters().packets_sent, arrival.packets);
  ChannelView::count(received.bytes_received, arrival.bytes);
  if (arrival.ends_transfer) ChannelView::count(received.transfers_received);
  if (!arrival.buffer.redirectable || !transfer.is_update()) return;
  const std::uint64_t elsewhere = arrival.buffer.redirections.count(arrival.offset, arrival.bytes);
  if (elsewhere > 0) ChannelView::count(received.bytes_redirected, elsewhere);
}

void count_finished(const Process& process, const Transfer& transfer, wire::Status status) {
  wire::ChannelCounters& counters = process.channel.counters();
  std::atomic<std::uint64_t>* const by_place[] = {
      &counters.inline_transfers, &counters.staged_transfers, &counters.segment_transfers,
      &counters.memory_transfers};
  if (status != wire::Status::kOk) {
    ChannelView::count(counters.transfers_refused);
    return;
  }
  if (transfer.operation == wire::Operation::kAtomic) {
    ChannelView::count(counters.atomics);
    return;
  }
  ChannelView::count(*by_place[static_cast<int>(transfer.place) - 1]);
  const bool fetch = transfer.operation == wire::Operation::kFetch;
  ChannelView::count(fetch ? counters.fetches : counters.transfers_sent);
  ChannelView::count(fetch ? counters.bytes_fetched : counters.bytes_sent, transfer.length);
  if (transfer.operation == wire::Operation::kAutomaticUpdate) {
    ChannelView::count(counters.automatic_updates);
  }
}

}  // namespace vmmc::nicsim
