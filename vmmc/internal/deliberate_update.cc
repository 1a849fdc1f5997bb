// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/deliberate_update.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "vmmc/internal/error.h"
#include "vmmc/internal/scattered_source.h"

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

// The source bytes of an ordinary send, for the staging area.
struct ContiguousSource {
  const std::byte* next;
  void prepare(std::size_t length) const { touch(next, length); }
  void operator()(std::byte* to, std::size_t length) {
    std::memcpy(to, next, length);
    next += length;
  }
};

int outcome(int status) { return status == VMMC_OK ? VMMC_OK : fail_plainly(status); }

}  // namespace

// The bytes are in hand before the lock is taken.
template <typename Bytes>
[[gnu::always_inline]] inline int DeliberateUpdate::post_bytes(const Transfer& transfer,
                                                               const Bytes& bytes, Report report,
                                                               std::uint64_t& ticket) {
  static_assert(sizeof bytes <= wire::kInlineBytes);
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  transfer.remote.write_to(*slot.descriptor);
  std::memcpy(slot.descriptor->inline_data, &bytes, sizeof bytes);
  ticket = queue_.publish(slot, {.place = wire::LocalPlace::kInline,
                                 .inline_length = static_cast<std::uint8_t>(transfer.length),
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
  Transfer transfer{{}, static_cast<const std::byte*>(source), length};
  if (!admission_.admit(source, proxy, length, VMMC_WRITE, transfer.remote)) {
    return admission_.refuse("send", source, proxy, length, VMMC_WRITE);
  }
  if (HostExecutor::may_serve(transfer.remote.import_slot) && sent_here(transfer)) return VMMC_OK;
  if (length > wire::kInlineBytes) return send_beyond_inline(transfer, {});
  std::uint64_t ticket = 0;
  return outcome(post_inline(transfer, Report::kByFence, ticket));
}

bool DeliberateUpdate::sent_here(const Transfer& transfer) {
  touch(transfer.source, transfer.length);
  return host_.send(transfer.remote, transfer.source, transfer.length);
}

int DeliberateUpdate::send_notify(const void* source, const void* proxy, std::size_t length,
                                  std::uint32_t immediate) {
  Transfer transfer{{}, static_cast<const std::byte*>(source), length};
  if (!admission_.admit(source, proxy, length, VMMC_WRITE, transfer.remote)) {
    return admission_.refuse("send", source, proxy, length, VMMC_WRITE);
  }
  if (length > wire::kInlineBytesWithNotify)
    return send_beyond_inline(transfer, {true, immediate, length});
  return outcome(post_inline_notice(transfer, immediate));
}

int DeliberateUpdate::post_inline_notice(const Transfer& transfer, std::uint32_t immediate) {
  wire::InlineBytesAndImmediate bytes{};
  std::memcpy(bytes.bytes, transfer.source, transfer.length);
  bytes.immediate = immediate;
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  transfer.remote.write_to(*slot.descriptor);
  slot.descriptor->inline_notify = bytes;
  queue_.publish(slot, {.place = wire::LocalPlace::kInline,
                        .flags = wire::kNotify,
                        .inline_length = static_cast<std::uint8_t>(transfer.length)});
  return VMMC_OK;
}

int DeliberateUpdate::send_beyond_inline(const Transfer& transfer, const Notice& notice) {
  if (transfer.length > kStagedBytes) return send_large(transfer, notice);
  ContiguousSource source{transfer.source};
  std::uint64_t ticket = 0;
  return outcome(post_staged(transfer, source, notice, Report::kByFence, ticket));
}

// Also after a failure the pieces in place are waited for: the source may be reused then.
int DeliberateUpdate::send_large(Transfer transfer, const Notice& notice) {
  registrations_.prepare(transfer.source, transfer.length);
  std::uint64_t end_in_place = 0;
  int status = VMMC_OK;
  while (transfer.length > 0 && status == VMMC_OK) {
    std::uint64_t ticket = 0;
    status = post_from_segment(transfer, notice, ticket);
    if (status == VMMC_OK) end_in_place = ticket + 1;
    if (status != kNotInPlace) continue;
    ContiguousSource source{transfer.source};
    status = post_piece(transfer, source, notice, Report::kByFence, ticket);
  }
  if (end_in_place > 0) {
    const int delivered = completion_.wait_for_source(end_in_place - 1);
    if (status == VMMC_OK) status = delivered;
  }
  return outcome(status);
}

int DeliberateUpdate::start(const void* source, const void* proxy, std::size_t length,
                            vmmc_send_handle* handle) {
  Transfer transfer{{}, static_cast<const std::byte*>(source), length};
  if (!admission_.admit(source, proxy, length, VMMC_WRITE, transfer.remote)) {
    return admission_.refuse("send", source, proxy, length, VMMC_WRITE);
  }
  if (HostExecutor::may_start(transfer.remote.import_slot, length) && sent_here(transfer)) {
    *handle = completion_.handle_of_delivered();
    return VMMC_OK;
  }
  std::uint64_t ticket = 0;
  const int status = length <= wire::kInlineBytes ? post_inline(transfer, Report::kByItself, ticket)
                                                  : start_large(transfer, ticket);
  if (status != VMMC_OK) return fail_plainly(status);
  *handle = Completion::handle_of(ticket);
  return VMMC_OK;
}

int DeliberateUpdate::start_large(Transfer transfer, std::uint64_t& ticket) {
  if (transfer.length > kStagedBytes) registrations_.prepare(transfer.source, transfer.length);
  int status = VMMC_OK;
  while (transfer.length > 0 && status == VMMC_OK) {
    status = post_from_segment(transfer, {}, ticket);
    if (status != kNotInPlace) continue;
    if (can_read_memory_ && transfer.length > kStagedBytes) {
      return post_from_memory(transfer, ticket);
    }
    ContiguousSource source{transfer.source};
    status = post_piece(transfer, source, {}, Report::kByItself, ticket);
  }
  return status;
}

int DeliberateUpdate::send_gather(const vmmc_piece* pieces, std::size_t count, const void* proxy) {
  std::size_t length = 0;
  if (const int status = check_pieces(pieces, count, &length); status != VMMC_OK) return status;
  Transfer transfer{{}, nullptr, length};
  if (!admission_.admit(nullptr, proxy, length, VMMC_WRITE, transfer.remote)) {
    return admission_.refuse("send", nullptr, proxy, length, VMMC_WRITE);
  }
  return outcome(send_filled(transfer, GatheredSource(pieces)));
}

int DeliberateUpdate::send_strided(const void* source, std::size_t source_stride, const void* proxy,
                                   std::size_t proxy_stride, std::size_t block, std::size_t count) {
  std::size_t extent = 0;  // from the first to the last byte of the destination
  if (const int status = check_strides(source, source_stride, proxy_stride, block, count, &extent);
      status != VMMC_OK) {
    return status;
  }
  Transfer transfer{{}, static_cast<const std::byte*>(source), extent};
  if (!admission_.admit(nullptr, proxy, extent, VMMC_WRITE, transfer.remote)) {
    return admission_.refuse("send", nullptr, proxy, extent, VMMC_WRITE);
  }
  if (proxy_stride == block || count == 1) {  // one message
    return outcome(send_filled(transfer, StridedSource(source, source_stride, block)));
  }
  transfer.length = block;
  int status = VMMC_OK;
  for (std::size_t i = 0; i < count && status == VMMC_OK; ++i) {
    status = send_block(transfer);
    transfer.source += source_stride;
    transfer.remote.destination += proxy_stride;
  }
  return outcome(status);
}

int DeliberateUpdate::send_block(const Transfer& block) {
  if (HostExecutor::may_serve(block.remote.import_slot) && sent_here(block)) return VMMC_OK;
  std::uint64_t ticket = 0;
  return block.length <= wire::kInlineBytes ? post_inline(block, Report::kByFence, ticket)
                                            : post_in_pieces(block, ContiguousSource{block.source});
}

// One message from scattered bytes.
template <typename Fill>
int DeliberateUpdate::send_filled(const Transfer& transfer, Fill fill) {
  if (HostExecutor::may_serve(transfer.remote.import_slot)) {
    fill.prepare(transfer.length);
    Fill once = fill;
    if (host_.send_filled(transfer.remote, transfer.length, once)) return VMMC_OK;
  }
  return post_in_pieces(transfer, fill);
}

template <typename Fill>
int DeliberateUpdate::post_staged(const Transfer& transfer, Fill& fill, const Notice& notice,
                                  Report report, std::uint64_t& ticket) {
  StagingArea::Claim claim;
  const auto bytes = static_cast<std::uint32_t>(transfer.length);
  fill.prepare(transfer.length);
  if (const int status = queue_.claim_staging(bytes, claim); status != VMMC_OK) return status;
  fill(channel_.staging + claim.offset, transfer.length);
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) {
    queue_.give_back_staging(claim);
    return status;
  }
  transfer.remote.write_to(*slot.descriptor);
  slot.descriptor->local = {.length = transfer.length,
                            .address = claim.offset,
                            .segment = 0,
                            .reserved = 0,
                            .message_length = notice.message_length,
                            .reserved2 = 0,
                            .immediate = notice.immediate};
  ticket = queue_.publish(slot, {.place = wire::LocalPlace::kStaged,
                                 .flags = notice.notify ? wire::kNotify : std::uint8_t{0},
                                 .blocks = claim.blocks,
                                 .reports_itself = report == Report::kByItself});
  return VMMC_OK;
}

// The first bytes of a transfer. A handle stands for the last piece. That is enough: an import that
// has failed one piece fails all later ones. The last piece notifies.
template <typename Fill>
int DeliberateUpdate::post_piece(Transfer& transfer, Fill& fill, const Notice& notice,
                                 Report report, std::uint64_t& ticket) {
  Transfer piece = transfer;
  piece.length = std::min(transfer.length, kStagedBytes);
  const bool last = piece.length == transfer.length;
  const int status = post_staged(piece, fill, last ? notice : Notice{}, report, ticket);
  if (status == VMMC_OK) transfer.advance(piece.length);
  return status;
}

template <typename Fill>
int DeliberateUpdate::post_in_pieces(Transfer transfer, Fill fill) {
  std::uint64_t ticket = 0;
  int status = VMMC_OK;
  while (transfer.length > 0 && status == VMMC_OK) {
    status = post_piece(transfer, fill, {}, Report::kByFence, ticket);
  }
  return status;
}

// The first bytes of a transfer, as many as stand in one segment. It is looked up under the queue's
// lock: SendQueue::quiesce() then knows of the transfer.
int DeliberateUpdate::post_from_segment(Transfer& transfer, const Notice& notice,
                                        std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  const auto part = segments_.find_prefix(transfer.source, transfer.length);
  if (!part) {
    queue_.abandon();
    return kNotInPlace;
  }
  const bool notify = notice.notify && part->length == transfer.length;
  transfer.remote.write_to(*slot.descriptor);
  slot.descriptor->local = {.length = part->length,
                            .address = part->start.offset,
                            .segment = part->start.segment,
                            .reserved = 0,
                            .message_length = notice.message_length,
                            .reserved2 = 0,
                            .immediate = notice.immediate};
  ticket = queue_.publish(slot, {.place = wire::LocalPlace::kSegment,
                                 .flags = notify ? wire::kNotify : std::uint8_t{0},
                                 .reports_itself = true});
  transfer.advance(part->length);
  return VMMC_OK;
}

int DeliberateUpdate::post_from_memory(const Transfer& transfer, std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  transfer.remote.write_to(*slot.descriptor);
  slot.descriptor->local = {.length = transfer.length,
                            .address = reinterpret_cast<std::uintptr_t>(transfer.source),
                            .segment = 0,
                            .reserved = 0,
                            .message_length = 0,
                            .reserved2 = 0,
                            .immediate = 0};
  ticket = queue_.publish(slot, {.place = wire::LocalPlace::kMemory, .reports_itself = true});
  return VMMC_OK;
}

}  // namespace vmmc::internal
