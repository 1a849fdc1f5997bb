// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Numbered words that threads store to without a lock while there become more of them: when was
// each chunk last used?
//
// Threads and processes
//   Any thread and signal handlers use words; grow(): one thread at a time.
//
// Invariants
//   A word never moves, and all stay until the end: whoever has a number may use it at any time.
//
// What a crash at any instruction leaves behind: nothing, this is private memory.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace vmmc::internal {

class UseStamps {
 public:
  UseStamps() = default;
  ~UseStamps() {
    for (const auto& block : blocks_) delete[] block.load(std::memory_order_relaxed);
  }
  UseStamps(const UseStamps&) = delete;
  UseStamps& operator=(const UseStamps&) = delete;

  // Makes words below `count` usable; new ones are 0. After std::bad_alloc it can be called again.
  void grow(std::size_t count) {
    for (; size_ < count; ++blocks_in_use_) {
      const std::size_t bigger = kFirstBlock << blocks_in_use_;
      blocks_[blocks_in_use_].store(new Word[bigger](), std::memory_order_release);
      size_ += bigger;
    }
  }

  // REQUIRES: grow() has been called with more than `number`, and the caller knows it.
  std::atomic<std::uint64_t>& operator[](std::size_t number) {
    const std::size_t place = number + kFirstBlock;
    const int block = std::bit_width(place) - std::bit_width(kFirstBlock);
    return blocks_[static_cast<std::size_t>(block)].load(
        std::memory_order_acquire)[place - (kFirstBlock << block)];
  }

 private:
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::size_t kFirstBlock = 64;

  // Each twice as large as the one before.
  std::array<std::atomic<Word*>, 32> blocks_{};
  std::size_t blocks_in_use_ = 0;
  std::size_t size_ = 0;
};

}  // namespace vmmc::internal
