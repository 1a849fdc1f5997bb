// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A second process on another core that reads and writes the memory between whose parts we copy.
//
// Threads and processes: the constructor forks; afterwards one side runs at a time. The partner
// ends with us, however we end; if it ends first, the next request ends us with a message.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vmmc::bench {

class Partner {
 public:
  enum class Task { kNothing, kRead, kWrite };

  // `bytes` of memory for the source and as many for the destination; the partner on that core.
  Partner(std::size_t bytes, int core);
  ~Partner();
  Partner(const Partner&) = delete;
  Partner& operator=(const Partner&) = delete;

  std::byte* source() { return source_; }
  std::byte* destination() { return destination_; }

  // Has the partner do it: read each line, or write each word. Nanoseconds that it took itself.
  std::uint64_t perform(Task task, std::byte* begin, std::size_t length);

 private:
  // In shared memory. `turn`: 0 ours, 1 the partner's.
  struct Request {
    alignas(64) std::atomic<int> turn;
    alignas(64) Task task;
    std::byte* begin;
    std::size_t length;
    std::uint64_t duration;
  };

  [[noreturn]] void serve(pid_t parent, int core);

  Request* request_;
  std::byte* source_;
  std::byte* destination_;
  std::size_t bytes_;
  pid_t process_;
};

// Each 8-byte word of the range gets another value than with the number before.
void write_words(std::byte* begin, std::size_t length, std::uint64_t number);

}  // namespace vmmc::bench
