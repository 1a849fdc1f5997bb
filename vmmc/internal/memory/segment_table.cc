// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_table.h"

#include <string>
#include <utility>

#include "platform/shared_memory.h"
#include "vmmc/internal/error.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {
constexpr const char* kLabel = "vmmc";  // shows in /proc/PID/maps
}

SegmentVerdict SegmentTable::create(std::size_t pages, bool lendable, Fresh* fresh) {
  Segment segment;
  segment.pages = pages;
  const std::size_t buffer_bytes = pages * wire::kPageSize;
  const std::size_t bytes = buffer_bytes + (lendable ? wire::kPageSize : 0);
  auto memory = platform::create_shared_memory(kLabel, bytes);
  if (!memory.ok()) return no_memory_for(bytes, memory.error());
  if (lendable) {
    auto bell = bells_.begin(memory.value().get(), buffer_bytes);
    if (!bell.ok()) return no_memory_for(wire::kPageSize, bell.error());
    segment.bell = bell.value();
  }
  const int status = registrar_.register_segment(memory.value().get(), bytes, lendable, &fresh->id);
  if (status != VMMC_OK) {
    if (lendable) bells_.end(segment.bell);
    return {status, "nicsim did not take a segment of " + std::to_string(bytes) +
                        " bytes: " + last_error()};
  }
  segments_[fresh->id] = segment;
  fresh->memory = std::move(memory.value());
  return {};
}

wire::BufferBell* SegmentTable::bell_of_buffer(std::uint32_t id) const {
  const Segment& segment = segments_.at(id);
  return segment.buffer.pages() > 0 ? segment.bell : nullptr;
}

void SegmentTable::leave(std::uint32_t id, std::size_t pages) {
  Segment& segment = at(id);
  segment.used -= pages;
  if (segment.used == 0) end(id);
}

void SegmentTable::end(std::uint32_t id) { end(segments_.find(id)); }

void SegmentTable::end_all() {
  for (auto segment = segments_.begin(); segment != segments_.end();) segment = end(segment);
}

SegmentTable::Place SegmentTable::end(Place segment) {
  registrar_.release_segment(segment->first);
  if (segment->second.bell != nullptr) bells_.end(segment->second.bell);
  return segments_.erase(segment);
}

}  // namespace vmmc::internal
