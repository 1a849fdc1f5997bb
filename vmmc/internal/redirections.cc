// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/redirections.h"

#include <algorithm>
#include <utility>

#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

constexpr std::size_t kSlice = wire::kMaxRedirectionBytes;

std::size_t slices_of(std::size_t length) { return (length - 1) / kSlice + 1; }

// Bytes of slice number `index`.
std::size_t slice_length(std::size_t length, std::size_t index) {
  return std::min(length - index * kSlice, kSlice);
}

}  // namespace

int Redirections::add(std::uint32_t buffer, std::size_t offset, std::size_t length,
                      void* destination, std::size_t* copied) {
  if (reinterpret_cast<std::uintptr_t>(destination) > UINTPTR_MAX - length) {
    return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu bytes from %p go past the end of the address space",
                length, destination);
  }
  const std::lock_guard lock(mutex_);
  int status = check_new(buffer, offset, length);
  if (status != VMMC_OK) return status;
  // Before the pages change hands: what can fail for want of memory here has no way back later.
  Covers covers;
  covers.reserve(slices_of(length));
  const auto entry =
      redirections_
          .emplace(Key{buffer, offset}, Redirection{static_cast<std::byte*>(destination), length})
          .first;
  status = cover_slices(entry->second, covers);
  std::uint64_t sum = 0;
  std::size_t added = 0;
  while (status == VMMC_OK && added < covers.size()) {
    status = add_slice(buffer, offset + added * kSlice, slice_length(length, added), covers[added],
                       &sum);
    if (status == VMMC_OK) ++added;
  }
  if (status != VMMC_OK) {
    std::uint64_t ignored = 0;
    (void)end_slices(buffer, offset, added, &ignored);
    release_slices(entry->second, covers.size());
    redirections_.erase(entry);
  }
  waiter_.announce_move();  // also: what had arrived is in the destination now
  if (status == VMMC_OK && copied != nullptr) *copied = sum;
  return status;
}

int Redirections::check_new(std::uint32_t buffer, std::size_t offset, std::size_t length) const {
  std::size_t slices = slices_of(length);
  auto next = redirections_.lower_bound({buffer, 0});
  for (; next != redirections_.end() && next->first.first == buffer; ++next) {
    const std::size_t begin = next->first.second;
    const std::size_t other = next->second.length;
    if (begin < offset + length && offset < begin + other) {
      return fail(VMMC_ERR_OVERLAP,
                  "%zu bytes from %zu of buffer %u overlap a redirection of %zu bytes from %zu",
                  length, offset, buffer, other, begin);
    }
    slices += slices_of(other);
  }
  if (slices <= wire::kMaxRedirections) return VMMC_OK;
  return fail(VMMC_ERR_TOO_MANY_REDIRECTIONS,
              "buffer %u would have %zu redirections (counted by the MiB), and %u is the most",
              buffer, slices, wire::kMaxRedirections);
}

// After a failure `covers` are those of the slices that are covered all the same.
int Redirections::cover_slices(const Redirection& redirection, Covers& covers) {
  const std::size_t count = slices_of(redirection.length);
  while (covers.size() < count) {
    std::byte* const start = redirection.destination + covers.size() * kSlice;
    SharedSegments::Cover cover =
        segments_.cover(start, slice_length(redirection.length, covers.size()));
    waiter_.announce_move();
    if (!cover.verdict.ok()) {
      return fail(cover.verdict.status, "%zu bytes from %p cannot be redirected to: %s",
                  redirection.length, static_cast<void*>(redirection.destination),
                  cover.verdict.detail.c_str());
    }
    covers.push_back(std::move(cover));
  }
  return VMMC_OK;
}

void Redirections::release_slices(const Redirection& redirection, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    segments_.release(redirection.destination + i * kSlice, slice_length(redirection.length, i));
  }
}

int Redirections::add_slice(std::uint32_t buffer, std::size_t offset, std::size_t length,
                            const SharedSegments::Cover& cover, std::uint64_t* copied) {
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
  const int status = connection_.call(wire::MessageType::kRedirect, request, &reply, bytes);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  if (reply.status() != wire::Status::kOk) {
    return fail_refused(reply.status(), "redirection of %zu bytes from %zu of buffer %u", length,
                        offset, buffer);
  }
  *copied += reply.as<wire::RedirectionReply>().copied;
  return VMMC_OK;
}

int Redirections::end_slice(std::uint32_t buffer, std::size_t offset, std::uint64_t* direct) {
  wire::EndRedirectionRequest request{};
  request.buffer_id = buffer;
  request.offset = offset;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kEndRedirection, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  if (reply.status() != wire::Status::kOk) {
    return fail_refused(reply.status(), "the redirection from %zu of buffer %u", offset, buffer);
  }
  *direct += reply.as<wire::RedirectionReply>().direct;
  return VMMC_OK;
}

// Ends the first `count` slices. The first failure; goes on all the same, because a nicsim that
// does not know a redirection does not write for it either.
int Redirections::end_slices(std::uint32_t buffer, std::size_t offset, std::size_t count,
                             std::uint64_t* direct) {
  int first_failure = VMMC_OK;
  for (std::size_t i = 0; i < count; ++i) {
    const int status = end_slice(buffer, offset + i * kSlice, direct);
    if (first_failure == VMMC_OK) first_failure = status;
  }
  return first_failure;
}

int Redirections::remove(std::uint32_t buffer, std::size_t offset, std::size_t* direct) {
  const std::lock_guard lock(mutex_);
  const auto found = redirections_.find({buffer, offset});
  if (found == redirections_.end()) {
    return fail(VMMC_ERR_UNKNOWN_REDIRECTION, "no redirection of buffer %u begins at %zu", buffer,
                offset);
  }
  const std::size_t count = slices_of(found->second.length);
  std::uint64_t sum = 0;
  const int status = end_slices(buffer, offset, count, &sum);
  release_slices(found->second, count);
  redirections_.erase(found);
  waiter_.announce_move();
  if (status == VMMC_OK && direct != nullptr) *direct = sum;
  return status;
}

void Redirections::forget(std::uint32_t buffer) {
  const std::lock_guard lock(mutex_);
  auto next = redirections_.lower_bound({buffer, 0});
  while (next != redirections_.end() && next->first.first == buffer) {
    release_slices(next->second, slices_of(next->second.length));
    next = redirections_.erase(next);
  }
  waiter_.announce_move();
}

}  // namespace vmmc::internal
