// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/host_records.h"

#include "platform/futex.h"

namespace vmmc::host_executor {

constinit record records[wire::kImportSlots];

namespace {

bool concerns(const wire::BufferBell& bell, std::uint32_t armed, std::uint64_t offset,
              std::uint64_t length) {
  if ((armed & wire::kRingForAny) != 0) return true;
  const std::uint64_t word = bell.watch_offset.load(std::memory_order_relaxed);
  return word < offset + length && offset < word + wire::kWatchedBytes;
}

}  // namespace

[[gnu::cold]] void ring(const record& from, std::uint64_t offset, std::uint64_t length) {
  // `armed` is the bell's first word; it is here to be looked at, but the page can be written.
  static_assert(offsetof(wire::BufferBell, armed) == 0);
  auto& bell =
      *reinterpret_cast<wire::BufferBell*>(const_cast<std::atomic<std::uint32_t>*>(from.armed));
  ring(bell, offset, length);
}

[[gnu::cold]] void ring(wire::BufferBell& bell, std::uint64_t offset, std::uint64_t length) {
  const std::uint32_t armed = bell.armed.load(std::memory_order_relaxed);
  if (armed == 0 || !concerns(bell, armed, offset, length)) return;
  ring_for_any(bell);
}

[[gnu::cold]] void ring_for_any(wire::BufferBell& bell) {
  if (bell.armed.exchange(0, std::memory_order_seq_cst) == 0) return;
  bell.rings.fetch_add(1, std::memory_order_release);
  platform::futex_wake(bell.rings);
}

[[gnu::cold]] void ring_and_leave(record& to, std::uint64_t offset, std::uint64_t length,
                                  std::uint32_t before) {
  ring(to, offset, length);
  leave(to, before);
}

}  // namespace vmmc::host_executor
