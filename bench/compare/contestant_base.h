// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What every contestant needs before it has processes: what it was asked for, errors, the clock,
// patience, the pattern of messages, memory.
//
// Threads: no state but looks_before_yield, which is set once. Needs Linux and nothing else.
#pragma once

#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace contestant {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr int kMaxProcesses = 64;
inline constexpr int kWrongArguments = 2;
inline constexpr int kPeerRefuses = 3;

struct Options {
  std::string variant;
  std::string measure;
  std::size_t bytes = 8;
  std::vector<int> cpus = {0, 1};
  int milliseconds = 1000;
  int processes = 2;
};

inline std::uint64_t nanoseconds_of(const Options& options) {
  return static_cast<std::uint64_t>(options.milliseconds) * 1000000;
}

[[noreturn]] inline void fail(int code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::fflush(nullptr);
  ::_exit(code);
}

inline void require(bool condition, const char* what) {
  if (!condition) fail(kPeerRefuses, "%s: %s", what, std::strerror(errno));
}

inline std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}
inline std::uint64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

// How often a polling loop looks before it offers its core to others. Small where processes share
// one: there nothing can happen before it does.
inline unsigned looks_before_yield = 4000;

// Called now and then by every polling loop, for libraries that deliver only while they are called.
inline void (*while_polling)() = nullptr;

// One call for each unsuccessful look of a polling loop.
class Patience {
 public:
  void operator()() {
    constexpr unsigned kLooksPerCall = 16;
    if (while_polling != nullptr && looks_ % kLooksPerCall == 0) while_polling();
    if (++looks_ >= looks_before_yield) {
      looks_ = 0;
      ::sched_yield();
    }
  }

 private:
  unsigned looks_ = 0;
};

template <class Condition>
void poll_until(Condition condition) {
  for (Patience patience; !condition(); patience()) {
  }
}

// Word i of message n is start(n) + i * step: it differs for each message, direction and place.
inline std::uint64_t pattern_start(int rank, std::uint64_t number) {
  return ((number * 0x9e3779b97f4a7c15U) ^ (static_cast<std::uint64_t>(rank + 1) << 56)) | 1U;
}
inline constexpr std::uint64_t kPatternStep = 0x0101010101010100U;

inline void fill_pattern(std::byte* message, std::size_t bytes, int rank, std::uint64_t number) {
  std::uint64_t word = pattern_start(rank, number);
  for (std::size_t at = 0; at < bytes; at += sizeof(word), word += kPatternStep) {
    std::memcpy(message + at, &word, sizeof(word));
  }
}

inline void check_pattern(const std::byte* message, std::size_t bytes, int rank,
                          std::uint64_t number) {
  std::uint64_t expected = pattern_start(rank, number);
  std::uint64_t difference = 0;
  for (std::size_t at = 0; at < bytes; at += sizeof(expected), expected += kPatternStep) {
    std::uint64_t word;
    std::memcpy(&word, message + at, sizeof(word));
    difference |= word ^ expected;
  }
  if (difference != 0) {
    fail(1, "message %llu of %zu bytes from process %d arrived with wrong bytes",
         static_cast<unsigned long long>(number), bytes, rank);
  }
}

// Zeroed, touched, shared with processes that are forked later.
inline std::byte* shared_memory(std::size_t bytes, int sharing = MAP_SHARED) {
  void* memory = ::mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_READ | PROT_WRITE,
                        sharing | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  require(memory != MAP_FAILED, "mmap");
  return static_cast<std::byte*>(memory);
}
inline std::byte* private_memory(std::size_t bytes) { return shared_memory(bytes, MAP_PRIVATE); }

// How many messages of a stream have a place of their own: 64 MiB of them, at most 4096.
inline std::size_t slots_for(const Options& options) {
  if (options.measure == "rate") return 4096;
  if (options.measure == "alltoall") return 2;
  if (options.measure != "bandwidth") return 1;
  return std::clamp<std::size_t>((std::size_t{64} << 20) / options.bytes, 1, 4096);
}

}  // namespace contestant
