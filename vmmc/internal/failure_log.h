// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The last failed sends of the process, by ticket: so that a handle may be tested long after its
// slot of the send queue has been used again.
//
// Threads: add() by one thread at a time (under the send queue's lock); find() by any, without a
// lock, also in signal handlers. A find() that races with the add() that overwrites its entry finds
// the failure or takes it for forgotten.
#pragma once

#include <atomic>
#include <cstdint>

namespace vmmc::internal {

class FailureLog {
 public:
  static constexpr std::uint64_t kEntries = 1024;

  void add(std::uint64_t ticket, std::int32_t status) {
    const std::uint64_t count = count_.load(std::memory_order_relaxed);
    Entry& entry = entries_[count % kEntries];
    entry.ticket.store(kNone, std::memory_order_relaxed);
    entry.status.store(status, std::memory_order_release);
    entry.ticket.store(ticket, std::memory_order_release);
    count_.store(count + 1, std::memory_order_release);
  }

  // The status of the send with this ticket; 0 if it did not fail or is forgotten.
  std::int32_t find(std::uint64_t ticket) const {
    const std::uint64_t count = count_.load(std::memory_order_acquire);
    const std::uint64_t known = count < kEntries ? count : kEntries;
    for (std::uint64_t i = 0; i < known; ++i) {
      const Entry& entry = entries_[i];
      if (entry.ticket.load(std::memory_order_acquire) != ticket) continue;
      const std::int32_t status = entry.status.load(std::memory_order_acquire);
      if (entry.ticket.load(std::memory_order_relaxed) == ticket) return status;
    }
    return 0;
  }

 private:
  static constexpr std::uint64_t kNone = UINT64_MAX;
  struct Entry {
    std::atomic<std::uint64_t> ticket{kNone};
    std::atomic<std::int32_t> status{0};
  };
  Entry entries_[kEntries];
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace vmmc::internal
