// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which pages or buffers of a channel are free, in the program's hands, or out. The one that was freed
// last is taken first: it is the likeliest to be in the cache.
//
// Threads: one. Invariants: each index is in exactly one of the three states; only free ones are in
// the list.
#pragma once

#include <array>
#include <cstdint>

#include "nicsim/wire/real_time_channel.h"

namespace vmmc::internal {

class MemoryPool {
 public:
  enum class State : std::uint8_t { kFree, kHeld, kOut };

  explicit MemoryPool(std::uint32_t size) : size_(size), free_(size) {
    for (std::uint32_t i = 0; i < size; ++i) list_[i] = static_cast<std::uint8_t>(size - 1 - i);
  }

  bool empty() const { return free_ == 0; }
  bool is(std::uint32_t index, State state) const {
    return index < size_ && states_[index] == state;
  }
  // Not if it is empty.
  std::uint32_t take(State state) {
    const std::uint32_t index = list_[--free_];
    states_[index] = state;
    return index;
  }
  // A held one.
  void send_out(std::uint32_t index) { states_[index] = State::kOut; }
  // One that is not free.
  void give_back(std::uint32_t index) {
    states_[index] = State::kFree;
    list_[free_++] = static_cast<std::uint8_t>(index);
  }

 private:
  std::uint32_t size_;
  std::uint32_t free_;
  std::array<std::uint8_t, wire::kMaxChannelDepth> list_{};
  std::array<State, wire::kMaxChannelDepth> states_{};
};

}  // namespace vmmc::internal
