// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the coordinator of a random run tells a worker process to do, and what it hears back. Both
// structs go over a socket pair of one machine as they are.
//
// Memory is named by offsets in the worker's arena: kPrivateBytes of an anonymous mapping, then
// kAllocatedBytes from vmmc_alloc. No operation reaches across the line between the two.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vmmc/vmmc.h"

namespace vmmc::testing::random_operations {

inline constexpr std::uint32_t kProcesses = 4;
inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kPrivateBytes = 48 * kPage;
inline constexpr std::uint64_t kAllocatedBytes = 24 * kPage;
inline constexpr std::uint64_t kArenaBytes = kPrivateBytes + kAllocatedBytes;
inline constexpr std::uint64_t kSecond = 1'000'000'000;

using Bytes = std::vector<unsigned char>;

enum class Verb : std::uint32_t {
  kReset,  // gives everything up and fills the arena with pattern(seed)
  kExport,
  kUnexport,
  kImporters,
  kImport,         // of what is exported already
  kImportWaiting,  // of what another process exports in the next step
  kImportStart,
  kImportTest,
  kImportCancel,
  kUnimport,
  kSend,
  kSendStart,
  kSendNotify,
  kGather,
  kStrided,
  kFetch,
  kFetchStart,
  kAtomic,
  kRedirect,
  kEndRedirection,
  kBind,
  kUnbind,
  kStore,
  kRegister,
  kUnregister,
  kBlock,
  kUnblock,
  kAccept,
  kWaitNotification,
  kFence,
  kLog,   // the notifications that the handlers have got since the last kLog
  kHash,  // of the arena
  kRead,  // the arena itself
  kKill,  // carried out by the coordinator: kill -9 and a successor
};

enum class AtomicVerb : std::uint32_t { kAdd, kSwap, kCompareSwap };

struct Command {
  Verb verb = Verb::kFence;
  std::uint32_t process = 0;  // who does it
  std::uint32_t peer = 0;     // imports: the exporter. exports: who may import, or VMMC_ANY
  std::uint32_t buffer_id = 0;
  std::uint32_t access = 0;
  std::uint32_t handle = 0;     // the coordinator's number of an import
  std::uint32_t number = 0;     // of a request or a binding; 0: none
  std::uint32_t width = 0;      // atomics, stores; 0: a copy
  std::uint32_t count = 0;      // pieces, blocks, expected notifications
  std::uint32_t kind = 0;       // enum AtomicVerb; bind: enum vmmc_capture
  std::uint32_t combining = 0;  // enum vmmc_combining
  std::uint32_t flag = 0;       // accept, notify, redirectable, attach again, result is there
  std::uint32_t handler = 0;    // exports: with a handler
  std::uint32_t executor = 0;   // imports, exports: enum vmmc_executor
  std::uint64_t offset = 0;     // in the arena
  std::uint64_t length = 0;     // strided: of one block
  std::uint64_t remote = 0;     // offset in the proxy, or in the own buffer
  std::uint64_t local_stride = 0;
  std::uint64_t remote_stride = 0;
  std::uint64_t operand = 0;  // atomics, immediate word, seed of a pattern
  std::uint64_t expected = 0;
};

struct Answer {
  std::int32_t status = 0;
  std::uint32_t payload = 0;  // bytes that follow
  std::uint64_t value = 0;    // a length, a count, a word, a hash
  std::uint64_t proxy = 0;    // the address
};

// A notification as the handler saw it.
struct Notice {
  std::uint32_t buffer_id = 0;
  std::uint32_t immediate = 0;
  std::uint64_t buffer = 0;  // arena offset
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t sender_node = 0;
  std::uint32_t sender = 0;

  bool operator==(const Notice&) const = default;
};

inline bool overlap(std::uint64_t a, std::uint64_t a_length, std::uint64_t b,
                    std::uint64_t b_length) {
  return a < b + b_length && b < a + a_length;
}

struct Piece {
  std::uint64_t offset;
  std::uint64_t length;
};

// The pieces of a gather: command.count parts of the source, with gaps of local_stride bytes.
std::vector<Piece> pieces_of(const Command& command);

// Byte i of the pattern with this seed.
unsigned char pattern(std::uint64_t seed, std::uint64_t i);

// `length` bytes of the pattern, from its byte `first`, a multiple of 8, on.
void fill_with_pattern(std::uint64_t seed, std::uint64_t first, unsigned char* to,
                       std::uint64_t length);

// Of `length` bytes, a multiple of 8; `state` chains several calls.
std::uint64_t hash_bytes(const unsigned char* bytes, std::uint64_t length, std::uint64_t state);

// What VMMC_EXECUTOR_AUTO stands for in imports: $VMMC_EXECUTOR.
vmmc_executor usual_executor();

const char* name_of(Verb verb);

// One line that says all that matters.
std::string describe(const Command& command);
std::string describe(const Notice& notice);

}  // namespace vmmc::testing::random_operations
