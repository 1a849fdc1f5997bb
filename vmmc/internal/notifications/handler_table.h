// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The handlers of exported buffers by the cookie that nicsim repeats in each notification.
//
// Threads and processes
//   find() and the functions about waits: any thread and signal handlers; no lock, no memory.
//   add() and retire(): one at a time.
//
// Invariants
//   A cookie is never 0 and never given twice. Slots never move; what find() returns was in the
//   table under that cookie, whole.
//
// What a crash at any instruction leaves behind: private memory only.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "vmmc/vmmc.h"

namespace vmmc::internal {

struct NotificationHandler {
  vmmc_handler handler = nullptr;
  void* argument = nullptr;
  void* buffer = nullptr;
  std::uint32_t buffer_id = 0;
};

class HandlerTable {
 public:
  static constexpr std::uint32_t kCapacity = 65536;

  // VMMC_OK, VMMC_ERR_TOO_MANY_EXPORTS, VMMC_ERR_OUT_OF_MEMORY; no sentence.
  int add(const NotificationHandler& handler, std::uint64_t* cookie);
  // Later find()s of it fail. Nothing happens if it is in the table no more.
  void retire(std::uint64_t cookie);

  bool find(std::uint64_t cookie, NotificationHandler& handler) const;

  // Threads that wait for this buffer's notifications. A wait that outlives its cookie may be
  // counted for the next one of the slot until it ends.
  void begin_wait(std::uint64_t cookie);
  void end_wait(std::uint64_t cookie);
  bool awaited(std::uint64_t cookie) const;

 private:
  static constexpr std::uint32_t kChunk = 256;
  static constexpr std::uint32_t kIndexBits = 16;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Slot {
    std::atomic<std::uint64_t> cookie{0};  // 0: free
    std::atomic<vmmc_handler> handler{nullptr};
    std::atomic<void*> argument{nullptr};
    std::atomic<void*> buffer{nullptr};
    std::atomic<std::uint32_t> buffer_id{0};
    std::atomic<std::uint32_t> waits{0};
    std::uint64_t generation = 0;  // of the last cookie
    std::uint32_t next_free = kNone;
  };
  using Chunk = std::array<Slot, kChunk>;

  // nullptr for a cookie that no add() can have given.
  Slot* slot(std::uint64_t cookie) const;
  bool grow();

  std::array<std::unique_ptr<Chunk>, kCapacity / kChunk> owned_;
  std::array<std::atomic<Chunk*>, kCapacity / kChunk> chunks_{};
  std::uint32_t chunk_count_ = 0;
  std::uint32_t first_free_ = kNone;
};

}  // namespace vmmc::internal
