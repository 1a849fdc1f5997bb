// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the handlers of a worker process were told, in order.
//
// Threads and processes: one handler at a time appends, in any thread or in a signal handler;
// take() by one other thread. More than kEntries between two calls of take() are not kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "tests/random_operations/command.h"

namespace vmmc::testing::random_operations {

class HandlerLog {
 public:
  static constexpr std::uint32_t kEntries = 4096;

  void append(const Notice& notice) {
    const std::uint32_t count = count_.load(std::memory_order_relaxed);
    entries_[count % kEntries] = notice;
    count_.store(count + 1, std::memory_order_release);
  }

  std::uint32_t waiting() const { return count_.load(std::memory_order_acquire) - taken_; }

  std::vector<Notice> take() {
    std::vector<Notice> notices;
    for (std::uint32_t left = waiting(); left > 0; --left) {
      notices.push_back(entries_[taken_++ % kEntries]);
    }
    return notices;
  }

 private:
  Notice entries_[kEntries];
  std::atomic<std::uint32_t> count_{0};
  std::uint32_t taken_ = 0;
};

}  // namespace vmmc::testing::random_operations
