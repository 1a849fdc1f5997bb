// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/remote_access.h"

#include <algorithm>
#include <cstring>

#include "vmmc/internal/error.h"
#include "vmmc/internal/memory/fault_guard.h"
#include "vmmc/internal/memory/write_probe.h"

namespace vmmc::internal {
namespace {

// post_in_place found that the destination is in no segment. Seen by nobody outside.
constexpr int kNotInPlace = 2;

PageRange pages_of(const std::byte* destination, std::size_t length) {
  return pages_around(reinterpret_cast<std::uintptr_t>(destination), length);
}

// Adds nothing to a byte of each page: who jumps out of the fault that this raises holds nothing.
void touch_for_writing(std::byte* destination, std::size_t length) {
  const auto touch = [](std::byte* byte) {
    (void)__atomic_fetch_add(reinterpret_cast<volatile unsigned char*>(byte), 0, __ATOMIC_RELAXED);
  };
  for (std::size_t i = 0; i < length; i += wire::kPageSize) touch(destination + i);
  touch(destination + length - 1);
}

bool can_all_be_written(PageRange pages) {
  for (std::uintptr_t page = pages.begin; page != pages.end; page += wire::kPageSize) {
    if (!can_be_written(page)) return false;
  }
  return true;
}

int outcome(int status, const char* what, const void* proxy, std::size_t length) {
  if (status == VMMC_OK) return status;
  return fail_refused(static_cast<wire::Status>(status), "the %s of %zu bytes at %p", what, length,
                      proxy);
}

}  // namespace

int RemoteAccess::fetch(void* destination, const void* proxy, std::size_t length) {
  Fetch fetch{{}, static_cast<std::byte*>(destination), length};
  if (!admission_.admit(destination, proxy, length, VMMC_READ, fetch.remote)) {
    return admission_.refuse("fetch", destination, proxy, length, VMMC_READ);
  }
  if (HostExecutor::may_serve(fetch.remote.import_slot) && fetched_here(fetch)) return VMMC_OK;
  if (length > StagingArea::kLargestClaim) registrations_.prepare(destination, length);
  std::uint64_t end_in_place = 0;
  int status = VMMC_OK;
  while (fetch.length > 0 && status == VMMC_OK) {
    std::uint64_t ticket = 0;
    status = post_in_place(fetch, ticket);
    if (status == VMMC_OK) end_in_place = ticket + 1;
    if (status == kNotInPlace) status = fetch_piece(fetch, ticket);
  }
  if (end_in_place > 0) {
    const int fetched = completion_.wait_for(end_in_place - 1);
    if (status == VMMC_OK) status = fetched;
  }
  return outcome(status, "fetch", proxy, length);
}

int RemoteAccess::start_fetch(void* destination, const void* proxy, std::size_t length,
                              vmmc_send_handle* handle) {
  Fetch fetch{{}, static_cast<std::byte*>(destination), length};
  if (!admission_.admit(destination, proxy, length, VMMC_READ, fetch.remote)) {
    return admission_.refuse("fetch", destination, proxy, length, VMMC_READ);
  }
  if (starts_here(fetch) && fetched_here(fetch)) {
    *handle = completion_.handle_of_delivered();
    return VMMC_OK;
  }
  if (length > StagingArea::kLargestClaim) registrations_.prepare(destination, length);
  std::uint64_t ticket = 0;
  int status = VMMC_OK;
  while (fetch.length > 0 && status == VMMC_OK) {
    status = post_in_place(fetch, ticket);
    if (status != kNotInPlace) continue;
    // A handle stands for the last piece, so nicsim is left with no other that can fail by itself.
    const bool rest = can_write_memory_ && outside_segments(fetch) == fetch.length;
    status = rest ? post_to_memory(fetch, ticket) : fetch_piece(fetch, ticket);
  }
  if (status != VMMC_OK) return outcome(status, "fetch", proxy, length);
  *handle = Completion::handle_of(ticket);
  return VMMC_OK;
}

bool RemoteAccess::fetched_here(const Fetch& fetch) {
  const PageRange pages = pages_of(fetch.destination, fetch.length);
  if (may_be_captured(pages) && !can_all_be_written(pages)) return false;
  touch_for_writing(fetch.destination, fetch.length);
  return host_.fetch(fetch.remote, fetch.destination, fetch.length);
}

bool RemoteAccess::starts_here(const Fetch& fetch) const {
  if (!HostExecutor::may_start(fetch.remote.import_slot, fetch.length)) return false;
  return can_all_be_written(pages_of(fetch.destination, fetch.length));
}

// The first bytes of a fetch, as many as land in one segment; as DeliberateUpdate::post_from_segment.
int RemoteAccess::post_in_place(Fetch& fetch, std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  const auto part = segments_.find_prefix(fetch.destination, fetch.length);
  if (!part) {
    queue_.abandon();
    return kNotInPlace;
  }
  ticket = publish(slot, fetch.remote, wire::LocalPlace::kSegment,
                   {part->length, part->start.offset, part->start.segment, 0, 0, 0, 0});
  fetch.advance(part->length);
  return VMMC_OK;
}

// How many bytes, from the first on, stand in no segment: what does stand in one must land in place,
// because the program's own address of it may be watched for stores.
std::size_t RemoteAccess::outside_segments(const Fetch& fetch) const {
  const auto first = reinterpret_cast<std::uintptr_t>(fetch.destination);
  std::size_t length = 0;
  do {
    length += wire::kPageSize - (first + length) % wire::kPageSize;
  } while (length < fetch.length && !segments_.find_prefix(fetch.destination + length, 1));
  return std::min(length, fetch.length);
}

int RemoteAccess::post_to_memory(Fetch& fetch, std::uint64_t& ticket) {
  SendQueue::Slot slot;
  if (const int status = queue_.begin(slot); status != VMMC_OK) return status;
  const auto address = reinterpret_cast<std::uintptr_t>(fetch.destination);
  ticket = publish(slot, fetch.remote, wire::LocalPlace::kMemory,
                   {fetch.length, address, 0, 0, 0, 0, 0});
  fetch.advance(fetch.length);
  return VMMC_OK;
}

std::uint64_t RemoteAccess::publish(const SendQueue::Slot& slot, const RemoteBytes& remote,
                                    wire::LocalPlace place, const wire::LocalBytes& local) {
  remote.write_to(*slot.descriptor);
  slot.descriptor->local = local;
  return queue_.publish(
      slot, {.place = place, .operation = wire::Operation::kFetch, .reports_itself = true});
}

// Fetches the first bytes by way of the staging area. The blocks are ours until the bytes have been
// copied, so they are not left to the queue.
int RemoteAccess::fetch_piece(Fetch& fetch, std::uint64_t& ticket) {
  const std::size_t length =
      std::min<std::size_t>(outside_segments(fetch), StagingArea::kLargestClaim);
  StagingArea::Claim claim;
  int status = queue_.claim_staging(static_cast<std::uint32_t>(length), claim);
  if (status != VMMC_OK) return status;
  SendQueue::Slot slot;
  status = queue_.begin(slot);
  if (status == VMMC_OK) {
    ticket = publish(slot, fetch.remote, wire::LocalPlace::kStaged,
                     {length, claim.offset, 0, 0, 0, 0, 0});
    status = completion_.wait_for(ticket);
  }
  if (status == VMMC_OK) {
    std::memcpy(fetch.destination, channel_.staging + claim.offset, length);
    fetch.advance(length);
  }
  queue_.give_back_staging(claim);
  return status;
}

int RemoteAccess::change_word(void* proxy, const wire::AtomicOperands& operands,
                              std::uint64_t* previous) {
  constexpr std::uint32_t kAccess = VMMC_READ | VMMC_WRITE;
  RemoteBytes remote;
  if (!admission_.admit(nullptr, proxy, operands.width, kAccess, remote)) {
    return admission_.refuse("word", nullptr, proxy, operands.width, kAccess);
  }
  if (remote.destination % operands.width != 0) {
    return fail(VMMC_ERR_MISALIGNED, "%p is not aligned to the word of %u bytes", proxy,
                operands.width);
  }
  if (HostExecutor::may_serve(remote.import_slot) &&
      host_.change_word(remote, operands, previous)) {
    return VMMC_OK;
  }
  SendQueue::Slot slot;
  int status = queue_.begin(slot);
  if (status != VMMC_OK) return outcome(status, "word", proxy, operands.width);
  remote.write_to(*slot.descriptor);
  slot.descriptor->atomic = operands;
  const std::uint64_t ticket = queue_.publish(slot, {.place = wire::LocalPlace::kInline,
                                                     .operation = wire::Operation::kAtomic,
                                                     .reports_itself = true,
                                                     .previous = previous});
  status = queue_.wait_previous(ticket);
  if (status == VMMC_OK) status = completion_.wait_for(ticket);
  return outcome(status, "word", proxy, operands.width);
}

}  // namespace vmmc::internal
