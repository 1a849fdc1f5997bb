// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
#include "nicsim/deliberate_update_engine.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "nicsim/source_reader.h"

namespace vmmc::nicsim {
namespace {

// A fair share: enough to make the visit worth it, little enough that others wait for microseconds
// only.
constexpr int kShareDescriptors = 16;
constexpr std::uint64_t kShareBytes = 256 * 1024;
static_assert(kShareBytes / wire::kPageSize + 1 <= kMaxRuns);

// Fills `transfer` from a descriptor; false if the descriptor makes no sense.
bool decode(Transfer& transfer) {
  const DescriptorCopy& descriptor = transfer.descriptor;
  if (wire::header_operation(descriptor.header) !=
      static_cast<std::uint8_t>(wire::Operation::kDeliberateUpdate)) {
    return false;
  }
  transfer.kind = static_cast<wire::SourceKind>(wire::header_source_kind(descriptor.header));
  transfer.done = 0;
  switch (transfer.kind) {
    case wire::SourceKind::kInline:
      transfer.length = wire::header_inline_length(descriptor.header);
      return transfer.length > 0 && transfer.length <= wire::kInlineBytes;
    case wire::SourceKind::kStaged:
    case wire::SourceKind::kSegment:
    case wire::SourceKind::kMemory:
      transfer.length = descriptor.source.length;
      return transfer.length > 0;
  }
  return false;
}

bool holds(const OutgoingPage* page, const DescriptorCopy& descriptor, std::uint64_t offset) {
  return page != nullptr && page->import_slot == descriptor.import_slot &&
         page->import_generation == descriptor.import_generation && offset >= page->first &&
         offset < page->end;
}

}  // namespace

bool DeliberateUpdateEngine::serve(Process& process) {
  bool worked = false;
  bool finished = false;
  std::uint64_t bytes = 0;
  for (int n = 0; n < kShareDescriptors && bytes < kShareBytes; ++n) {
    Transfer& transfer = process.transfer;
    wire::Status status = wire::Status::kOk;
    if (!transfer.active) {
      if (!process.channel.take(transfer.descriptor)) break;
      process.channel.prefetch();
      status = begin(process);
    }
    worked = true;
    const std::uint64_t before = transfer.done;
    if (status == wire::Status::kOk) status = advance(process);
    bytes += transfer.done - before;
    transfer.active = status == wire::Status::kOk && transfer.done < transfer.length;
    if (transfer.active) continue;
    finish(process, status);
    finished = true;
  }
  // A wake-up is a system call, and long transfers come in many pieces: one for each at its end.
  if (finished) wake_sleepers(process);
  return worked;
}

void DeliberateUpdateEngine::wake_sleepers(Process& sender) {
  // Pairs with the fence of a client that arms and looks again before it sleeps.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (Process* receiver : receivers_) receiver->channel.wake_if_armed();
  receivers_.clear();
  sender.channel.wake_if_armed();
}

wire::Status DeliberateUpdateEngine::begin(Process& process) {
  Transfer& transfer = process.transfer;
  if (!decode(transfer)) return wire::Status::kMalformed;
  const wire::Status status = check_destination(process, transfer);
  if (status != wire::Status::kOk) return status;
  return source_is_plausible(process, transfer) ? wire::Status::kOk : wire::Status::kBadSource;
}

// First and last byte must lie in the import that the descriptor names; a proxy's pages are
// consecutive, so all bytes between them do as well.
wire::Status DeliberateUpdateEngine::check_destination(const Process& process,
                                                       const Transfer& transfer) const {
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
  return first_page->writable ? wire::Status::kOk : wire::Status::kNotWritable;
}

// Moves the next piece. Neighbouring packets that land side by side are moved as one run.
wire::Status DeliberateUpdateEngine::advance(Process& process) {
  Transfer& transfer = process.transfer;
  const std::uint64_t piece = std::min(transfer.length - transfer.done, kShareBytes);
  std::array<Run, kMaxRuns> runs;
  std::size_t count = 0;
  std::uint64_t packets = 0;
  ExportedBuffer* buffer = nullptr;
  Packetizer packetizer(process.outgoing_pages, transfer.descriptor.destination + transfer.done,
                        piece);
  while (const auto packet = packetizer.next()) {
    const auto landing = backplane_.deliver(*packet);
    if (landing.address == nullptr) return refusal(process, transfer);
    if (count > 0 && runs[count - 1].address + runs[count - 1].length == landing.address) {
      runs[count - 1].length += packet->length;
    } else {
      runs[count++] = {landing.address, packet->length};
    }
    buffer = landing.buffer;
    ++packets;
  }
  if (packetizer.remaining() > 0) return refusal(process, transfer);
  const wire::Status status = move_bytes(process, transfer, std::span(runs.data(), count));
  if (status != wire::Status::kOk) return status;
  transfer.done += piece;
  ChannelView::count(process.channel.counters().packets_sent, packets);
  ChannelView::count(buffer->owner->channel.counters().bytes_received, piece);
  if (transfer.done == transfer.length) {
    ChannelView::count(buffer->owner->channel.counters().transfers_received);
    note_receiver(buffer->owner);
  }
  return wire::Status::kOk;
}

// Why a packet found no page to land on: the exporter took the buffer back or ended.
wire::Status DeliberateUpdateEngine::refusal(const Process& process,
                                             const Transfer& transfer) const {
  switch (process.imports[transfer.descriptor.import_slot].phase) {
    case wire::ImportPhase::kPeerDead:
      return wire::Status::kPeerDead;
    case wire::ImportPhase::kUnexported:
      return wire::Status::kUnexported;
    case wire::ImportPhase::kFree:
    case wire::ImportPhase::kGranted:
      break;
  }
  return wire::Status::kUnknownImport;
}

void DeliberateUpdateEngine::finish(Process& process, wire::Status status) {
  const Transfer& transfer = process.transfer;
  wire::ChannelCounters& counters = process.channel.counters();
  if (status == wire::Status::kOk) {
    ChannelView::count(counters.transfers_sent);
    ChannelView::count(counters.bytes_sent, transfer.length);
    std::atomic<std::uint64_t>* const by_kind[] = {
        &counters.inline_transfers, &counters.staged_transfers, &counters.segment_transfers,
        &counters.memory_transfers};
    ChannelView::count(*by_kind[static_cast<int>(transfer.kind) - 1]);
  } else {
    ChannelView::count(counters.transfers_refused);
  }
  process.channel.complete(status);
}

void DeliberateUpdateEngine::note_receiver(Process* receiver) {
  if (std::find(receivers_.begin(), receivers_.end(), receiver) == receivers_.end()) {
    receivers_.push_back(receiver);
  }
}

}  // namespace vmmc::nicsim
