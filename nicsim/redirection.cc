// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/redirection.h"

#include <algorithm>
#include <iterator>

#include "nicsim/wire/version.h"

namespace vmmc::nicsim {

wire::Status Redirections::add(std::uint64_t offset, std::uint64_t length, NamedPages pages,
                               std::uint32_t page_offset) {
  const std::uint64_t end = offset + length;
  const auto next = redirections_.lower_bound(offset);
  if (next != redirections_.end() && next->first < end) return wire::Status::kOverlap;
  if (next != redirections_.begin() && std::prev(next)->second.end > offset) {
    return wire::Status::kOverlap;
  }
  if (redirections_.size() >= wire::kMaxRedirections) return wire::Status::kTooManyRedirections;
  redirections_.emplace(offset, Redirection{end, std::move(pages), page_offset});
  return wire::Status::kOk;
}

std::optional<std::uint64_t> Redirections::remove(std::uint64_t offset) {
  const auto found = redirections_.find(offset);
  if (found == redirections_.end()) return std::nullopt;
  const std::uint64_t direct = found->second.direct;
  redirections_.erase(found);
  return direct;
}

Redirections::Place Redirections::find(std::uint64_t offset, std::uint64_t length) const {
  const auto next = redirections_.upper_bound(offset);
  const std::uint64_t until = next == redirections_.end() ? UINT64_MAX : next->first;
  if (next == redirections_.begin() || std::prev(next)->second.end <= offset) {
    return {nullptr, std::min(length, until - offset)};
  }
  const auto& [first, redirection] = *std::prev(next);
  const std::uint64_t position = offset - first + redirection.page_offset;
  const std::uint64_t in_page = position % wire::kPageSize;
  return {redirection.pages.frames[position / wire::kPageSize] + in_page,
          std::min({length, redirection.end - offset, wire::kPageSize - in_page})};
}

std::uint64_t Redirections::count(std::uint64_t offset, std::uint64_t length) {
  std::uint64_t elsewhere = 0;
  while (length > 0) {
    const Place place = find(offset, length);
    if (place.address == nullptr) {
      arrived_.add(offset, offset + place.length);
    } else {
      std::prev(redirections_.upper_bound(offset))->second.direct += place.length;
      elsewhere += place.length;
    }
    offset += place.length;
    length -= place.length;
  }
  return elsewhere;
}

}  // namespace vmmc::nicsim
