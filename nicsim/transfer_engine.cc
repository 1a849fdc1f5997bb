// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/transfer_engine.h"

#include <algorithm>
#include <atomic>

#include "nicsim/local_memory.h"
#include "nicsim/packetizer.h"
#include "nicsim/traced_operation.h"
#include "nicsim/transfer_checks.h"

namespace vmmc::nicsim {
namespace {

// A fair share: enough to make the visit worth it, little enough that others wait for microseconds
// only.
constexpr int kShareDescriptors = 16;
constexpr std::uint64_t kShareBytes = 256 * 1024;
static_assert(kShareBytes / wire::kPageSize + 1 <= kMaxRuns);

}  // namespace

TransferEngine::Served TransferEngine::serve(Process& process) {
  if (instruments_.by_packet()) [[unlikely]]
    return serve_by_packet(process);
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
    // A mark is nothing but its descriptor.
    return status == wire::Status::kOk && transfer.length > 0 ? advance(process, kShareBytes)
                                                              : status;
  }
  if (transfer.done == transfer.length) return wire::Status::kOk;  // but for the notification
  transfer.packet_waits = transfer.last_struck = false;
  // Between two pieces the import may have gone, and another one have come to its pages.
  const wire::Status status = check_remote(process, transfer);
  return status == wire::Status::kOk ? advance(process, kShareBytes) : status;
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
  if (OperationLatencies::is_due(process.channel.completed())) [[unlikely]] {
    transfer.measured_since = OperationLatencies::now_ns();
    transfer.noted = true;
  }
  if (!decode(transfer)) return take_mark(process);
  const wire::Status status = check_transfer(process, transfer);
  if (recorder_ != nullptr && status == wire::Status::kOk) recorder_->taken(process, transfer);
  return status;
}

// Of a descriptor that is no transfer.
wire::Status TransferEngine::take_mark(const Process& process) const {
  const Transfer& transfer = process.transfer;
  if (!is_plausible_mark(transfer)) return wire::Status::kMalformed;
  if (recorder_ != nullptr) recorder_->marked(process, transfer.descriptor.mark);
  return wire::Status::kOk;
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

// Moves the next piece, of at most so many bytes.
wire::Status TransferEngine::advance(Process& process, std::uint64_t most) {
  Transfer& transfer = process.transfer;
  const std::uint64_t piece = std::min(transfer.length - transfer.done, most);
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
  count_arrived(sender, transfer,
                {*landing.buffer, landing.offset, landing.bytes, landing.packets, done});
  for (std::size_t i = 0; i < landing.count; ++i) {
    arrivals_.push_back({landing.buffer->owner, landing.runs[i], done});
  }
}

// False if the receiver's queue has no room.
bool TransferEngine::notify(Process& sender) {
  if (sender.transfer.last_struck) return true;  // it went with the packet
  const auto notice = notice_of(backplane_, sender, sender.transfer);
  if (!notice) return true;
  Process& receiver = *notice->receiver;
  if (!receiver.notifications.post(notice->notification)) {
    // An unexport that waits for this queue must not wait for somebody's handlers, who may be the
    // one who waits.
    if (sender.awaited == 0) {
      sender.stalled_on = &receiver;
      note_stall(sender, receiver);
      return false;
    }
    if (!receiver.notifications.keep(notice->notification)) {
      ChannelView::count(receiver.channel.counters().notifications_discarded);
      return true;
    }
  }
  ChannelView::count(sender.channel.counters().notifications_sent);
  if (instruments_.trace.on()) [[unlikely]] {
    note_notified(sender, receiver, notice->notification);
  }
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
  if (status != wire::Status::kOk) [[unlikely]] {
    look_back(process, status);
    announce_fragment(process);
  } else if (process.transfer.noted) [[unlikely]] {
    look_back(process, status);
  }
  if (process.transfer.operation != wire::Operation::kMark || status != wire::Status::kOk) {
    count_finished(process, process.transfer, status);
  }
  process.channel.complete(status);
}

// At the end of an operation that has failed, or that the instruments have something of: the next one
// begins without.
void TransferEngine::look_back(Process& process, wire::Status status) {
  note_end(process, status);
  Transfer& transfer = process.transfer;
  transfer.noted = transfer.packet_waits = transfer.last_struck = transfer.has_stalled = false;
  transfer.measured_since = 0;
  transfer.traced.number = 0;
}

void TransferEngine::note_end(const Process& process, wire::Status status) {
  const Transfer& transfer = process.transfer;
  if (status != wire::Status::kOk) {
    const TracedOperation operation =
        transfer.traced.number != 0 ? transfer.traced : identify(process, transfer, instruments_);
    const auto event = transfer.traced.number != 0 && operation.left ? wire::TraceEvent::kCompleted
                                                                     : wire::TraceEvent::kRefused;
    return note_failed(instruments_, operation, event, status);
  }
  if (transfer.operation == wire::Operation::kMark) return;
  if (transfer.measured_since != 0) {
    instruments_.latencies.add(transfer.operation,
                               OperationLatencies::now_ns() - transfer.measured_since);
  }
  if (!is_in_trace(instruments_, transfer.traced)) return;
  TraceEntry entry = at_sender(instruments_, transfer.traced, wire::TraceEvent::kCompleted,
                               wire::TraceEngine::kProcessor);
  entry.value = entry.time - transfer.traced.taken;
  instruments_.trace.write(entry);
}

}  // namespace vmmc::nicsim
