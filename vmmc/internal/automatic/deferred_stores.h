// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Captured stores that could not be combined at once, in their order: the capturing thread must not
// wait for those who are combining, one of whom may wait for it (packetizer.h).
//
// Threads and processes
//   push(): any thread, with all signals blocked. to_combine() and combined(): the owner of the
//   packetizer's lock. empty(): anybody. No allocation.
//
// Invariants (both count stores twice)
//   combined_ <= pushed_ <= combined_ + 2 * kEntries. pushed_ is odd from before a push looks at
//   memory until its stores can be found: so whoever finds this empty, and stores after that, need
//   not fear that a push which is seen later still carries what was there before his store, unless
//   it began at this very moment.
#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/adaptive_wait.h"
#include "vmmc/internal/automatic/shared_bytes.h"
#include "vmmc/internal/owned_spin_lock.h"

namespace vmmc::internal {

struct Binding;

class DeferredStores {
 public:
  static constexpr std::uint32_t kEntries = 256;
  static constexpr std::size_t kEntryBytes = 64;

  // A store, or a part of a long one.
  struct Entry {
    Binding* binding;
    std::uintptr_t address;
    std::size_t length;
    std::byte bytes[kEntryBytes];

    bool overlaps(std::uintptr_t from, std::size_t bytes_there) const {
      return address < from + bytes_there && from < address + length;
    }
  };

  // Takes over the bytes that stand at `address` now, all of them or none: false if there is no
  // room.
  bool push(Binding& binding, std::uintptr_t address, std::size_t length) {
    if (!pushing_.lock()) return false;
    // Seen by all before memory is read.
    std::uint64_t at = pushed_.fetch_add(1, std::memory_order_seq_cst) / 2;
    const std::uint64_t free = kEntries - (at - combined_.load(std::memory_order_acquire) / 2);
    const bool fits = (length + kEntryBytes - 1) / kEntryBytes <= free;
    for (; fits && length > 0; ++at) {
      Entry& entry = entries_[at % kEntries];
      entry.binding = &binding;
      entry.address = address;
      entry.length = std::min(length, kEntryBytes);
      load_shared_bytes(entry.bytes, reinterpret_cast<const std::byte*>(address), entry.length);
      address += entry.length;
      length -= entry.length;
    }
    pushed_.store(2 * at, std::memory_order_release);
    pushing_.unlock();
    return fits;
  }

  // False also while a push is under way.
  bool empty() const { return pushed_.load(std::memory_order_acquire) == combined_.load(kRelaxed); }

  // The first; null if there is none. Waits for a push that is under way: nothing can hold it up.
  const Entry* to_combine() const {
    std::uint64_t pushed = pushed_.load(std::memory_order_acquire);
    for (std::uint32_t looks = 0; pushed % 2 != 0; ++looks) {
      looks < kLooks ? platform::pause_processor() : void(::sched_yield());
      pushed = pushed_.load(std::memory_order_acquire);
    }
    const std::uint64_t combined = combined_.load(kRelaxed);
    return combined == pushed ? nullptr : &entries_[combined / 2 % kEntries];
  }
  void combined() { combined_.store(combined_.load(kRelaxed) + 2, std::memory_order_release); }

 private:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  static constexpr std::uint32_t kLooks = 100;

  std::atomic<std::uint64_t> pushed_{0};
  std::atomic<std::uint64_t> combined_{0};
  OwnedSpinLock pushing_;
  Entry entries_[kEntries];
};

}  // namespace vmmc::internal
