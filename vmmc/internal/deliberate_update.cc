// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/deliberate_update.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// post_from_segment found that the bytes are in no segment. Seen by nobody outside.
constexpr int kNotInPlace = 2;

template <typename Word>
Word load(const std::byte* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

template <typename Transfer>
void address(wire::SendDescriptor& descriptor, const Transfer& transfer) {
  descriptor.import_slot = transfer.import_slot;
  descriptor.import_generation = transfer.import_generation;
  descriptor.destination = transfer.destination;
}

}  // namespace

// The checks of every send, without a word about them: refuse() finds the words.
[[gnu::always_inline]] inline bool DeliberateUpdate::admit(const void* source, const void* proxy,
                                                           std::size_t length,
                                                           Transfer& transfer) const {
  Target target;
  if (!space_.find(proxy, target)) return false;
  const std::uint64_t destination = space_.offset_of(proxy);
  const std::uint64_t offset = destination - target.first;  // wraps around in front of the first
  const std::uint32_t state = channel_.import_states[target.slot].load(std::memory_order_acquire);
  const wire::ImportPhase phase = wire::import_phase(state);
  const bool inside = offset < target.length && length <= target.length - offset;
  if (!inside || length == 0 || (target.access & VMMC_WRITE) == 0 ||
      phase == wire::ImportPhase::kUnexported || phase == wire::ImportPhase::kPeerDead ||
      reinterpret_cast<std::uintptr_t>(source) > UINTPTR_MAX - length || waiter_.nicsim_gone()) {
    return false;
  }
  transfer = {static_cast<const std::byte*>(source), length, target.slot, target.generation,
              destination};
  return true;
}

// Why admit() said no.
[[gnu::cold]] int DeliberateUpdate::refuse(const void* source, const void* proxy,
                                           std::size_t length) const {
  if (waiter_.nicsim_gone()) return refused(VMMC_ERR_NICSIM_GONE);
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "a send of zero bytes");
  if (reinterpret_cast<std::uintptr_t>(source) > UINTPTR_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %p go past the end of the address space",
                length, source);
  }
  const auto import = space_.resolve(proxy);
  const std::uint64_t offset = space_.offset_of(proxy);
  if (!import || offset < import->first || offset - import->first >= import->length) {
    return fail(VMMC_ERR_OUTSIDE_PROXY, "%p is in no proxy of this process", proxy);
  }
  if (length > import->length - (offset - import->first)) {
    return fail(VMMC_ERR_OUTSIDE_PROXY,
                "%zu bytes from %p go past the end of the proxy of buffer %u of process (%u, %u)",
                length, proxy, import->buffer_id, import->exporter.node, import->exporter.process);
  }
  return refuse_import(*import);
}

// What nicsim has said about the import so far. It checks again when it carries the transfer out.
int DeliberateUpdate::refuse_import(const Import& import) const {
  const std::uint32_t state = channel_.import_states[import.slot].load(std::memory_order_acquire);
  if ((import.access & VMMC_WRITE) == 0) {
    return fail(VMMC_ERR_NOT_WRITABLE,
                "buffer %u of process (%u, %u) was imported without VMMC_WRITE", import.buffer_id,
                import.exporter.node, import.exporter.process);
  }
  if (wire::import_phase(state) == wire::ImportPhase::kPeerDead) {
    return fail(VMMC_ERR_PEER_DEAD, "process (%u, %u), which exported buffer %u, has ended",
                import.exporter.node, import.exporter.process, import.buffer_id);
  }
  return fail(VMMC_ERR_UNEXPORTED, "process (%u, %u) has taken buffer %u back",
              import.exporter.node, import.exporter.process, import.buffer_id);
}

// The bytes are in hand before the lock is taken.
template <typename Bytes>
[[gnu::always_inline]] inline int DeliberateUpdate::post_bytes(const Transfer& transfer,
                                                               const Bytes& bytes, Report report,
                                                               std::uint64_t& ticket) {
  static_assert(sizeof bytes <= wire::kInlineBytes);
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  address(*slot.descriptor, transfer);
  std::memcpy(slot.descriptor->inline_data, &bytes, sizeof bytes);
  ticket = queue_.publish(slot, {.kind = wire::SourceKind::kInline,
                                 .inline_length = static_cast<std::uint16_t>(transfer.length),
                                 .reports_itself = report == Report::kByItself});
  return VMMC_OK;
}

// A word, the usual case, goes through a register.
[[gnu::always_inline]] inline int DeliberateUpdate::post_inline(const Transfer& transfer,
                                                                Report report,
                                                                std::uint64_t& ticket) {
  if (transfer.length == sizeof(std::uint64_t)) {
    return post_bytes(transfer, load<std::uint64_t>(transfer.source), report, ticket);
  }
  if (transfer.length == sizeof(std::uint32_t)) {
    return post_bytes(transfer, load<std::uint32_t>(transfer.source), report, ticket);
  }
  std::array<std::byte, wire::kInlineBytes> bytes{};
  std::memcpy(bytes.data(), transfer.source, transfer.length);
  return post_bytes(transfer, bytes, report, ticket);
}

int DeliberateUpdate::send(const void* source, const void* proxy, std::size_t length) {
  Transfer transfer;
  if (!admit(source, proxy, length, transfer)) return refuse(source, proxy, length);
  if (length > wire::kInlineBytes) return send_large(transfer);
  std::uint64_t ticket = 0;
  const int status = post_inline(transfer, Report::kByFence, ticket);
  return status == VMMC_OK ? status : refused(status);
}

int DeliberateUpdate::send_large(const Transfer& transfer) {
  std::uint64_t ticket = 0;
  int status = kNotInPlace;
  if (transfer.length > kStagedBytes) status = post_from_segment(transfer, ticket);
  if (status == kNotInPlace) {
    status = post_in_pieces(transfer, Report::kByFence, ticket);
  } else {
    if (status == VMMC_OK) status = queue_.wait_completed(ticket + 1);
    if (status == VMMC_OK) status = outcome_of(ticket);
  }
  return status == VMMC_OK ? status : refused(status);
}

int DeliberateUpdate::start(const void* source, const void* proxy, std::size_t length,
                            vmmc_send_handle* handle) {
  Transfer transfer;
  if (!admit(source, proxy, length, transfer)) return refuse(source, proxy, length);
  std::uint64_t ticket = 0;
  int status = kNotInPlace;
  if (length <= wire::kInlineBytes) {
    status = post_inline(transfer, Report::kByItself, ticket);
  } else {
    status = post_from_segment(transfer, ticket);
    if (status == kNotInPlace && can_read_memory_ && length > kStagedBytes) {
      status = post_from_memory(transfer, ticket);
    }
    if (status == kNotInPlace) status = post_in_pieces(transfer, Report::kByItself, ticket);
  }
  if (status != VMMC_OK) return refused(status);
  *handle = ticket + 1;
  return VMMC_OK;
}

int DeliberateUpdate::post_staged(const Transfer& transfer, Report report, std::uint64_t& ticket) {
  StagingArea::Claim claim;
  const auto bytes = static_cast<std::uint32_t>(transfer.length);
  if (const int status = queue_.claim_staging(bytes, claim); status != VMMC_OK) return status;
  std::memcpy(channel_.staging + claim.offset, transfer.source, transfer.length);
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) {
    queue_.give_back_staging(claim);
    return status;
  }
  address(*slot.descriptor, transfer);
  slot.descriptor->source = {
      .length = transfer.length, .address = claim.offset, .segment = 0, .reserved = {}};
  ticket = queue_.publish(slot, {.kind = wire::SourceKind::kStaged,
                                 .blocks = claim.blocks,
                                 .reports_itself = report == Report::kByItself});
  return VMMC_OK;
}

// The segment is looked up under the queue's lock: SendQueue::quiesce() then knows of the transfer.
int DeliberateUpdate::post_from_segment(const Transfer& transfer, std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  const auto position = segments_.find(transfer.source, transfer.length);
  if (!position) {
    queue_.abandon();
    return kNotInPlace;
  }
  address(*slot.descriptor, transfer);
  slot.descriptor->source = {.length = transfer.length,
                             .address = position->offset,
                             .segment = position->segment,
                             .reserved = {}};
  ticket = queue_.publish(slot, {.kind = wire::SourceKind::kSegment, .reports_itself = true});
  return VMMC_OK;
}

int DeliberateUpdate::post_from_memory(const Transfer& transfer, std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  address(*slot.descriptor, transfer);
  slot.descriptor->source = {.length = transfer.length,
                             .address = reinterpret_cast<std::uintptr_t>(transfer.source),
                             .segment = 0,
                             .reserved = {}};
  ticket = queue_.publish(slot, {.kind = wire::SourceKind::kMemory, .reports_itself = true});
  return VMMC_OK;
}

// A handle stands for the last piece. That is enough: an import that has failed one piece fails all
// later ones.
int DeliberateUpdate::post_in_pieces(Transfer transfer, Report report, std::uint64_t& ticket) {
  std::size_t left = transfer.length;
  while (left > 0) {
    transfer.length = std::min(left, kStagedBytes);
    if (const int status = post_staged(transfer, report, ticket); status != VMMC_OK) return status;
    transfer.source += transfer.length;
    transfer.destination += transfer.length;
    left -= transfer.length;
  }
  return VMMC_OK;
}

int DeliberateUpdate::test(vmmc_send_handle handle) {
  if (!is_handle(handle)) return refused(VMMC_ERR_BAD_HANDLE);
  const int status = outcome_of(handle - 1);
  return status == VMMC_OK || status == VMMC_PENDING ? status : refused(status);
}

int DeliberateUpdate::wait(vmmc_send_handle handle) {
  if (!is_handle(handle)) return refused(VMMC_ERR_BAD_HANDLE);
  int status = queue_.wait_completed(handle);
  if (status == VMMC_OK) status = outcome_of(handle - 1);
  return status == VMMC_OK ? status : refused(status);
}

int DeliberateUpdate::outcome_of(std::uint64_t ticket) {
  const int status = queue_.test(ticket);
  return status == VMMC_PENDING && waiter_.nicsim_gone() ? VMMC_ERR_NICSIM_GONE : status;
}

int DeliberateUpdate::fence() {
  if (const int status = queue_.wait_completed(queue_.posted()); status != VMMC_OK) {
    return refused(status);
  }
  if (waiter_.nicsim_gone()) return refused(VMMC_ERR_NICSIM_GONE);
  const SendQueue::Failure failure = queue_.take_failure();
  if (failure.status == VMMC_OK) return VMMC_OK;
  return fail_refused(static_cast<wire::Status>(failure.status), "an earlier send to %p failed",
                      space_.address_of(failure.destination));
}

int DeliberateUpdate::refused(int status) const {
  return fail(status, "%s", status_sentence(status));
}

}  // namespace vmmc::internal
