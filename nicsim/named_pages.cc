// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/named_pages.h"

#include <algorithm>

namespace vmmc::nicsim {
namespace {

// No request names a byte twice, so it names no more pages than the process has registered. Looked
// at before anything is done page by page.
bool is_reasonable(const Process& process, const NamedRange& range) {
  std::uint64_t named = 0;
  for (const wire::Extent& extent : range.extents) named += extent.pages;
  return named <= process.registered_pages;
}

}  // namespace

wire::Status find_pages(const Process& process, const NamedRange& range, FoundPages& found) {
  if (range.length == 0) return wire::Status::kZeroLength;
  if (range.page_offset >= wire::kPageSize || range.extents.empty() ||
      !is_reasonable(process, range)) {
    return wire::Status::kMalformed;
  }
  std::uint64_t position = 0;  // of the extent's first byte, from the start of the first page
  const std::uint64_t end = range.page_offset + range.length;
  if (end < range.length) return wire::Status::kLengthOverflow;
  for (const wire::Extent& extent : range.extents) {
    const auto segment = process.segments.find(extent.segment);
    if (segment == process.segments.end() || extent.pages == 0 ||
        std::uint64_t{extent.first_page} + extent.pages > segment->second->pages() ||
        position >= end) {
      return wire::Status::kMalformed;
    }
    const std::uint64_t bytes = std::uint64_t{extent.pages} * wire::kPageSize;
    const std::uint64_t base = std::uint64_t{extent.first_page} * wire::kPageSize;
    for (std::uint64_t offset = 0; offset < bytes; offset += wire::kPageSize) {
      found.pages.frames.push_back(segment->second->data() + base + offset);
    }
    const std::uint64_t first = position == 0 ? range.page_offset : 0;
    const std::uint64_t last = std::min(bytes, end - position);
    found.byte_runs.push_back({{extent.segment, base + first}, base + last});
    found.pages.segments.push_back(segment->second);
    position += bytes;
  }
  return position >= end && position - end < wire::kPageSize ? wire::Status::kOk
                                                             : wire::Status::kMalformed;
}

}  // namespace vmmc::nicsim
