// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What an actor has: its buffers, proxies and bindings, by the names that its commands use, and what its
// handlers have been called with.
//
// Threads and processes
//   Commands run in the one thread that reads them; the handler runs in a thread of the library and touches
//   `calls` alone, under its mutex.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "lab/actor/command.h"

namespace vmmc::lab {

inline constexpr std::size_t kMost = 16;  // buffers, proxies, bindings
inline constexpr std::uint64_t kMostPages = 64;
inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kMostBytes = kMostPages * kPage;
inline constexpr std::uint64_t kMostSent = 1 << 20;  // bytes; may be more than a buffer has
inline constexpr std::uint64_t kMostCount = 1'000'000;
inline constexpr std::uint64_t kMostWait = 60'000;  // ms

struct Buffer {
  std::uint32_t id = 0;
  unsigned char* memory = nullptr;
  std::uint64_t bytes = 0;
};

struct Proxy {
  std::string name;
  unsigned char* address = nullptr;
  std::uint64_t bytes = 0;
  vmmc_identity exporter{};
  std::uint32_t buffer = 0;
};

struct Binding {
  vmmc_binding* handle = nullptr;
  std::string name;
  unsigned char* memory = nullptr;
  std::uint64_t bytes = 0;
  int capture = VMMC_CAPTURE_TRAP;
  bool own_memory = true;  // and not a buffer's
};

struct HandlerCalls {
  struct Call {
    vmmc_notification notification;
    bool nested;
  };
  static constexpr std::size_t kMostKept = 1000;
  std::mutex mutex;
  std::deque<Call> calls;
  std::atomic<int> running{0};
};

class Actor {
 public:
  Buffer& buffer(const Command& command, std::string_view member = "buffer");
  Proxy& proxy(const Command& command, std::string_view member = "proxy");
  Binding& binding(const Command& command);

  // `bytes` of memory to send from, which keeps its content until it is asked for more; nullptr: none.
  unsigned char* source(std::uint64_t bytes);

  // Who waits for the command to have begun goes on now.
  void announce();
  void (*begun)() = nullptr;

  std::map<std::uint32_t, Buffer> buffers;
  std::map<std::string, Proxy> proxies;
  std::map<std::string, Binding> bindings;
  std::map<std::string, Binding> exchanges;  // of `update`, by the proxy's name
  HandlerCalls handler_calls;
  std::uint64_t blocks = 0;    // of notifications, not undone
  std::uint32_t patterns = 0;  // sent so far

 private:
  unsigned char* source_ = nullptr;
  std::uint64_t source_bytes_ = 0;
};

// `bytes` at `offset` of something that has `all`, or nonsense.
void check_inside(std::uint64_t offset, std::uint64_t bytes, std::uint64_t all);

}  // namespace vmmc::lab
