// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

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
    } else {
      // Between two pieces the import may have gone, and another one have come to its pages.
      status = check_destination(process, transfer);
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
  if (worked) wake_sleepers(process, finished);
  return worked;
}

// A wake-up is a system call, so nobody is woken for what he does not wait for.
void DeliberateUpdateEngine::wake_sleepers(Process& sender, bool finished) {
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

bool DeliberateUpdateEngine::is_watched(const Arrival& arrival) {
  const ChannelView::Watch watch = arrival.receiver->channel.watch();
  const auto segment = arrival.receiver->segments.find(watch.segment);
  if (segment == arrival.receiver->segments.end() || !segment->second->contains(watch.offset, 1)) {
    return false;
  }
  const std::byte* word = segment->second->data() + watch.offset;
  return word < arrival.run.address + arrival.run.length &&
         arrival.run.address < word + wire::kWatchedBytes;
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

// Finds out where the next piece goes. Neighbouring packets that land side by side are one run.
bool DeliberateUpdateEngine::find_landing(const Process& process, std::uint64_t piece,
                                          Landing& landing) const {
  const Transfer& transfer = process.transfer;
  landing.count = 0;
  landing.packets = 0;
  Packetizer packetizer(process.outgoing_pages, transfer.descriptor.destination + transfer.done,
                        piece);
  while (const auto packet = packetizer.next()) {
    const auto place = backplane_.deliver(*packet);
    if (place.address == nullptr) return false;
    Run* last = landing.count == 0 ? nullptr : &landing.runs[landing.count - 1];
    if (last != nullptr && last->address + last->length == place.address) {
      last->length += packet->length;
    } else {
      landing.runs[landing.count++] = {place.address, packet->length};
    }
    landing.buffer = place.buffer;
    ++landing.packets;
  }
  return packetizer.remaining() == 0;
}

// Moves the next piece.
wire::Status DeliberateUpdateEngine::advance(Process& process) {
  Transfer& transfer = process.transfer;
  const std::uint64_t piece = std::min(transfer.length - transfer.done, kShareBytes);
  Landing landing;
  if (!find_landing(process, piece, landing)) return refusal(process, transfer);
  const std::span<const Run> runs(landing.runs.data(), landing.count);
  const wire::Status status = move_bytes(process, transfer, runs);
  if (status != wire::Status::kOk) return status;
  transfer.done += piece;
  const bool done = transfer.done == transfer.length;
  Process* const receiver = landing.buffer->owner;
  ChannelView::count(process.channel.counters().packets_sent, landing.packets);
  ChannelView::count(receiver->channel.counters().bytes_received, piece);
  if (done) ChannelView::count(receiver->channel.counters().transfers_received);
  for (const Run& run : runs) arrivals_.push_back({receiver, run, done});
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

// A transfer that fails in a later piece has brought bytes all the same: somebody may wait for them.
void DeliberateUpdateEngine::announce_fragment(const Process& process) {
  const Transfer& transfer = process.transfer;
  if (transfer.done == 0) return;
  const Import& import = process.imports[transfer.descriptor.import_slot];
  if (import.buffer != nullptr) arrivals_.push_back({import.buffer->owner, Run{}, true});
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
    announce_fragment(process);
  }
  process.channel.complete(status);
}

}  // namespace vmmc::nicsim
