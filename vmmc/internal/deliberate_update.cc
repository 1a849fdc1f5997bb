// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/deliberate_update.h"

#include <algorithm>
#include <cstring>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// post_in_place found that the bytes cannot travel in place. Seen by nobody outside.
constexpr int kNotInPlace = 2;

template <typename Transfer>
void address(wire::SendDescriptor& descriptor, const Transfer& transfer) {
  descriptor.import_slot = transfer.import_slot;
  descriptor.import_generation = transfer.import_generation;
  descriptor.destination = transfer.destination;
}

// The usual sizes without a call; `length` is at most kInlineBytes.
inline void copy_small(std::byte* to, const std::byte* from, std::size_t length) {
  switch (length) {
    case 4:
      std::memcpy(to, from, 4);
      return;
    case 8:
      std::memcpy(to, from, 8);
      return;
    default:
      std::memcpy(to, from, length);
  }
}

}  // namespace

int DeliberateUpdate::send(const void* source, const void* proxy, std::size_t length) {
  Transfer transfer;
  if (const int status = check(source, proxy, length, transfer); status != VMMC_OK) return status;
  std::uint64_t ticket = 0;
  int status = VMMC_OK;
  if (length <= wire::kInlineBytes) {
    status = post_inline(transfer, Report::kByFence, ticket);
  } else if (length <= kStagedBytes) {
    status = post_staged(transfer, Report::kByFence, ticket);
  } else {
    status = post_in_place(transfer, ticket);
    if (status == VMMC_OK) status = queue_.wait_completed(ticket + 1);
    if (status == VMMC_OK) status = outcome_of(ticket);
    if (status == kNotInPlace) status = post_in_pieces(transfer, Report::kByFence, ticket);
  }
  return status == VMMC_OK ? status : refused(status);
}

int DeliberateUpdate::start(const void* source, const void* proxy, std::size_t length,
                            vmmc_send_handle* handle) {
  Transfer transfer;
  if (const int status = check(source, proxy, length, transfer); status != VMMC_OK) return status;
  std::uint64_t ticket = 0;
  int status = kNotInPlace;
  if (length <= wire::kInlineBytes) {
    status = post_inline(transfer, Report::kByItself, ticket);
  } else {
    status = post_in_place(transfer, ticket);
    if (status == kNotInPlace) status = post_in_pieces(transfer, Report::kByItself, ticket);
  }
  if (status != VMMC_OK) return refused(status);
  *handle = ticket + 1;
  return VMMC_OK;
}

int DeliberateUpdate::check(const void* source, const void* proxy, std::size_t length,
                            Transfer& transfer) const {
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
  if (const int status = check_import(*import); status != VMMC_OK) return status;
  transfer = {static_cast<const std::byte*>(source), length, import->slot, import->generation,
              offset};
  return VMMC_OK;
}

// What nicsim has said about the import so far. It checks again when it carries the transfer out.
int DeliberateUpdate::check_import(const Import& import) const {
  if ((import.access & VMMC_WRITE) == 0) {
    return fail(VMMC_ERR_NOT_WRITABLE,
                "buffer %u of process (%u, %u) was imported without VMMC_WRITE", import.buffer_id,
                import.exporter.node, import.exporter.process);
  }
  const std::uint32_t state = channel_.import_states[import.slot].load(std::memory_order_acquire);
  switch (wire::import_phase(state)) {
    case wire::ImportPhase::kUnexported:
      return fail(VMMC_ERR_UNEXPORTED, "process (%u, %u) has taken buffer %u back",
                  import.exporter.node, import.exporter.process, import.buffer_id);
    case wire::ImportPhase::kPeerDead:
      return fail(VMMC_ERR_PEER_DEAD, "process (%u, %u), which exported buffer %u, has ended",
                  import.exporter.node, import.exporter.process, import.buffer_id);
    case wire::ImportPhase::kFree:
    case wire::ImportPhase::kGranted:
      break;
  }
  return VMMC_OK;
}

int DeliberateUpdate::post_inline(const Transfer& transfer, Report report, std::uint64_t& ticket) {
  std::byte bytes[wire::kInlineBytes];
  copy_small(bytes, transfer.source, transfer.length);
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  address(*slot.descriptor, transfer);
  copy_small(slot.descriptor->inline_data, bytes, transfer.length);
  ticket = queue_.publish(slot, {.kind = wire::SourceKind::kInline,
                                 .inline_length = static_cast<std::uint16_t>(transfer.length),
                                 .reports_itself = report == Report::kByItself});
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
int DeliberateUpdate::post_in_place(const Transfer& transfer, std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  const auto position = segments_.find(transfer.source, transfer.length);
  if (!position && !can_read_memory_) {
    queue_.abandon();
    return kNotInPlace;
  }
  address(*slot.descriptor, transfer);
  wire::Source& source = slot.descriptor->source;
  source.length = transfer.length;
  source.address = position ? position->offset : reinterpret_cast<std::uintptr_t>(transfer.source);
  source.segment = position ? position->segment : 0;
  ticket = queue_.publish(
      slot, {.kind = position ? wire::SourceKind::kSegment : wire::SourceKind::kMemory,
             .reports_itself = true});
  return VMMC_OK;
}

// A handle stands for the last piece. That is enough: an import that has failed one piece fails all
// later ones.
int DeliberateUpdate::post_in_pieces(Transfer transfer, Report report, std::uint64_t& ticket) {
  std::size_t left = transfer.length;
  while (left > 0) {
    transfer.length = std::min<std::size_t>(left, kPieceBytes);
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
