// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/redirections.h"

#include <algorithm>

#include "vmmc/internal/error.h"

namespace vmmc::internal {

int Redirections::add(std::uint32_t buffer, std::size_t offset, std::size_t length,
                      void* destination, std::size_t* copied) {
  if (length == 0) return fail(VMMC_ERR_ZERO_LENGTH, "a redirection of zero bytes");
  if (reinterpret_cast<std::uintptr_t>(destination) > UINTPTR_MAX - length ||
      offset > SIZE_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %p go past the end of the address space",
                length, destination);
  }
  const std::lock_guard lock(mutex_);
  auto* const start = static_cast<std::byte*>(destination);
  const auto [entry, fresh] =
      redirections_.try_emplace({buffer, offset}, Redirection{start, length});
  if (!fresh) {
    return fail(VMMC_ERR_OVERLAP, "a redirection of buffer %u begins at %zu already", buffer,
                offset);
  }
  std::uint64_t sum = 0;
  for (std::size_t done = 0; done < length;) {
    const std::size_t slice = std::min<std::size_t>(length - done, wire::kMaxRedirectionBytes);
    std::uint64_t copied_here = 0;
    const int status = add_slice(buffer, offset + done, start + done, slice, &copied_here);
    if (status != VMMC_OK) {
      std::uint64_t ignored = 0;
      (void)end_slices(buffer, offset, entry->second, done, &ignored);
      redirections_.erase(entry);
      return status;
    }
    sum += copied_here;
    done += slice;
  }
  if (copied != nullptr) *copied = sum;
  return VMMC_OK;
}

int Redirections::add_slice(std::uint32_t buffer, std::size_t offset, std::byte* destination,
                            std::size_t length, std::uint64_t* copied) {
  const SharedSegments::Cover cover = segments_.cover(destination, length);
  waiter_.announce_move();
  if (!cover.verdict.ok()) {
    return fail(cover.verdict.status, "%zu bytes from %p cannot be redirected to: %s", length,
                static_cast<void*>(destination), cover.verdict.detail.c_str());
  }
  wire::RedirectRequest request{};
  request.buffer_id = buffer;
  request.offset = offset;
  request.length = length;
  request.page_offset = cover.page_offset;
  request.extent_count = static_cast<std::uint32_t>(cover.extents.size());
  std::copy(cover.extents.begin(), cover.extents.end(), request.extents);
  const std::size_t bytes =
      offsetof(wire::RedirectRequest, extents) + cover.extents.size() * sizeof(wire::Extent);
  ControlConnection::Reply reply;
  int status = connection_.call(wire::MessageType::kRedirect, request, &reply, bytes);
  if (status == VMMC_ERR_NICSIM_GONE) {
    status = fail_nicsim_gone();
  } else if (status == VMMC_OK && reply.status() != wire::Status::kOk) {
    status = fail_refused(reply.status(), "redirection of %zu bytes from %zu of buffer %u", length,
                          offset, buffer);
  }
  if (status == VMMC_OK) {
    *copied = reply.as<wire::RedirectionReply>().copied;
    return status;
  }
  segments_.release(destination, length);
  waiter_.announce_move();
  return status;
}

int Redirections::end_slice(std::uint32_t buffer, std::size_t offset, std::uint64_t* direct) {
  wire::EndRedirectionRequest request{};
  request.buffer_id = buffer;
  request.offset = offset;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kEndRedirection, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  *direct = reply.as<wire::RedirectionReply>().direct;
  if (reply.status() == wire::Status::kOk) return VMMC_OK;
  return fail_refused(reply.status(), "the redirection from %zu of buffer %u", offset, buffer);
}

// Ends the slices in the first `length` bytes. The first failure; goes on all the same, because a
// nicsim that does not know a redirection does not write for it either.
int Redirections::end_slices(std::uint32_t buffer, std::size_t offset,
                             const Redirection& redirection, std::size_t length,
                             std::uint64_t* direct) {
  int first_failure = VMMC_OK;
  for (std::size_t done = 0; done < length;) {
    const std::size_t slice =
        std::min<std::size_t>(redirection.length - done, wire::kMaxRedirectionBytes);
    std::uint64_t direct_here = 0;
    const int status = end_slice(buffer, offset + done, &direct_here);
    if (first_failure == VMMC_OK) first_failure = status;
    segments_.release(redirection.destination + done, slice);
    *direct += direct_here;
    done += slice;
  }
  waiter_.announce_move();
  return first_failure;
}

int Redirections::remove(std::uint32_t buffer, std::size_t offset, std::size_t* direct) {
  const std::lock_guard lock(mutex_);
  const auto found = redirections_.find({buffer, offset});
  if (found == redirections_.end()) {
    return fail(VMMC_ERR_UNKNOWN_REDIRECTION, "no redirection of buffer %u begins at %zu", buffer,
                offset);
  }
  std::uint64_t sum = 0;
  const int status = end_slices(buffer, offset, found->second, found->second.length, &sum);
  redirections_.erase(found);
  if (status == VMMC_OK && direct != nullptr) *direct = sum;
  return status;
}

void Redirections::forget(std::uint32_t buffer) {
  const std::lock_guard lock(mutex_);
  auto next = redirections_.lower_bound({buffer, 0});
  while (next != redirections_.end() && next->first.first == buffer) {
    const Redirection& redirection = next->second;
    for (std::size_t done = 0; done < redirection.length;) {
      const std::size_t slice =
          std::min<std::size_t>(redirection.length - done, wire::kMaxRedirectionBytes);
      segments_.release(redirection.destination + done, slice);
      done += slice;
    }
    next = redirections_.erase(next);
  }
  waiter_.announce_move();
}

}  // namespace vmmc::internal
