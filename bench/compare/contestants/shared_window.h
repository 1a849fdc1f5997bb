// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Memory that a sender (or somebody in its name) stores to and a receiver polls.
//
// A message of one word is its own flag: it is stored at once and the receiver waits for its
// pattern. A longer one is followed by its number, on another cache line.
//
// Processes: one stores, one reads.
#pragma once

#include <atomic>

#include "bench/compare/contestant.h"

namespace contestant {

inline constexpr std::size_t kWord = sizeof(std::uint64_t);

inline std::atomic<std::uint64_t>& word_at(std::byte* address) {
  return *reinterpret_cast<std::atomic<std::uint64_t>*>(address);
}

inline void copy_with_libc(std::byte* to, const std::byte* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
using Copy = void (*)(std::byte*, const std::byte*, std::size_t);

class SharedWindow {
 public:
  // Before fork().
  explicit SharedWindow(const Options& options)
      : bytes_(options.bytes),
        slots_(shared_memory(bytes_ * slots_for(options))),
        arrived_(word_at(shared_memory(kCacheLine))) {}

  std::byte* place(std::size_t slot) { return slots_ + slot * bytes_; }
  // The number of the latest announced message of more than one word.
  std::atomic<std::uint64_t>& arrived() { return arrived_; }

  template <class CopyCall = Copy>
  void store(std::size_t slot, const std::byte* from, std::uint64_t number, bool announce,
             CopyCall copy = copy_with_libc) {
    if (bytes_ == kWord) {
      std::uint64_t word;
      std::memcpy(&word, from, kWord);
      word_at(place(slot)).store(word, std::memory_order_release);
      return;
    }
    copy(place(slot), from, bytes_);
    if (announce) arrived_.store(number, std::memory_order_release);
  }

  const std::byte* wait(std::size_t slot, int sender, std::uint64_t number, bool announce) {
    if (!announce) return place(slot);
    if (bytes_ == kWord) {
      const std::uint64_t expected = pattern_start(sender, number);
      std::atomic<std::uint64_t>& word = word_at(place(slot));
      poll_until([&] { return word.load(std::memory_order_acquire) == expected; });
    } else {
      poll_until([&] { return arrived_.load(std::memory_order_acquire) >= number; });
    }
    return place(slot);
  }

 private:
  std::size_t bytes_;
  std::byte* slots_;
  std::atomic<std::uint64_t>& arrived_;
};

}  // namespace contestant
