// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One operation, as a client asks for it: one slot, one cache line, of the client's send queue.
//
// Threads and processes
//   Written by the client (one thread at a time, the library sees to it), read by nicsim's engine.
//   All words but `header` are plain data that become visible through it: the client fills the line
//   and then stores `header` with release; the engine loads `header` with acquire and copies the
//   line to private memory before it checks.
//
// Invariants
//   The ticket of a descriptor is its number since attach, counted from 0; it lives in slot `ticket
//   % slots`. A slot is ready exactly when the sequence half of its header equals the low 32 bits
//   of `ticket + 1`. The client reuses a slot only after SendStatus::completed has passed its
//   ticket.
//
// What a crash at any instruction leaves behind
//   A client that dies before the store to `header` leaves a slot that never becomes ready; after
//   it, a transfer that may still be carried out. Neither disturbs nicsim, which forgets the queue
//   when the socket hangs up.
//
// Header word, bits:
//   63..32 sequence | 31..24 place | 23..16 operation | 15..8 flags | 7..0 inline length (bytes)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/version.h"

namespace vmmc::wire {

enum class Operation : std::uint8_t {
  kDeliberateUpdate = 1,  // local bytes go to the remote buffer
  kAutomaticUpdate = 2,   // the same, for stores to a bound page: counted apart
  kFetch = 3,             // bytes of the remote buffer come to local memory; never kInline
  kAtomic = 4,            // one word of the remote buffer is changed; always kInline
  kFlush =
      5,  // in simulated time: the packet that stores are combined into leaves; kInline, no bytes
  kMark = 6,  // while nicsim records: what it cannot see; kInline, no import and no destination
};

// Where the local bytes of an operation are: read by an update, written by a fetch.
enum class LocalPlace : std::uint8_t {
  kInline = 1,   // in the descriptor itself
  kStaged = 2,   // in the channel's staging area; `local.address` is an offset in it
  kSegment = 3,  // in a segment registered with nicsim; `local.address` is an offset in it
  kMemory = 4,   // anywhere in the client's memory; nicsim reads or writes it across
};

// Flags of the header.
inline constexpr std::uint8_t kNotify = 1;  // updates: the receiver is to be notified
// In simulated time each store to a bound page is a descriptor, and nicsim's packetizer combines them, as
// the binding asks for: not at all, those that follow each other, or these until its timer runs out.
inline constexpr std::uint8_t kCombineBlock = 2;
inline constexpr std::uint8_t kCombineTimer = 4;

inline constexpr std::size_t kInlineBytes = 40;
// With kNotify the last word of the line is the immediate word, for every place.
inline constexpr std::size_t kInlineBytesWithNotify = 36;

// Used by every place but kInline.
struct LocalBytes {
  std::uint64_t length;   // bytes, > 0
  std::uint64_t address;  // see LocalPlace
  std::uint32_t segment;  // segment id, only for kSegment
  std::uint32_t reserved;
  // Only with kNotify: the bytes of the whole message, of which these are the last. Its other bytes
  // have been sent before, to the addresses right before `destination`.
  std::uint64_t message_length;
  std::uint32_t reserved2;
  std::uint32_t immediate;  // only with kNotify
};
static_assert(sizeof(LocalBytes) == kInlineBytes);

struct InlineBytesAndImmediate {
  std::byte bytes[kInlineBytesWithNotify];
  std::uint32_t immediate;
};
static_assert(sizeof(InlineBytesAndImmediate) == kInlineBytes);
static_assert(offsetof(InlineBytesAndImmediate, immediate) == offsetof(LocalBytes, immediate));

enum class AtomicKind : std::uint32_t {
  kFetchAdd = 1,
  kSwap = 2,
  kCompareSwap = 3,  // stores `operand` if the word equals `expected`
};

// Of kAtomic. The word is at `destination`; what it was before stands in Channel::previous.
struct AtomicOperands {
  AtomicKind kind;
  std::uint32_t width;  // bytes: 4 or 8; the low bytes of the operands count
  std::uint64_t operand;
  std::uint64_t expected;
  std::uint32_t reserved[4];
};
static_assert(sizeof(AtomicOperands) == kInlineBytes);

enum class MarkKind : std::uint8_t {
  kWork = 1,                 // nothing else than the work
  kWaitForWord = 2,          // until a word of its own memory was as it should be
  kWaitForCompletion = 3,    // until the descriptors before `ticket` had completed
  kWaitForSources = 4,       // until their source bytes might be reused
  kWaitForRoom = 5,          // in the send queue or the staging area
  kWaitForNotification = 6,  // a call that returns one
  kHandlerBegins = 7,        // for a notification
  kHandlerEnds = 8,
};

// Of kMark. Follows the wait that it tells of, and comes right before the operation that the work led to.
struct MarkOperands {
  MarkKind kind;
  std::uint8_t timed_out;   // waits: 0 or 1
  std::uint8_t comparison;  // kWaitForWord: as enum vmmc_comparison
  std::uint8_t width;       // kWaitForWord: bytes, 4 or 8
  std::uint32_t thread;     // of the process: 1, 2, ... in the order of their first marks
  std::uint64_t
      work;  // ns of processor time that it used for itself since its last operation ended
  std::uint32_t segment;  // kWaitForWord: where the word is; 0: in no segment
  std::uint32_t waited;   // waits: how long, microseconds
  std::uint64_t place;  // kWaitForWord: its offset in the segment; completion, sources: the ticket
  std::uint64_t
      value;  // kWaitForWord: what it was compared with; kWork: so many marks before were lost
};
static_assert(sizeof(MarkOperands) == kInlineBytes);

// With nothing else in it.
constexpr MarkOperands make_mark(MarkKind kind, std::uint64_t place = 0) {
  MarkOperands mark{};
  mark.kind = kind;
  mark.place = place;
  return mark;
}

struct alignas(kCacheLineSize) SendDescriptor {
  std::atomic<std::uint64_t> header;
  std::uint32_t import_slot;        // the import that `destination` must lie in ...
  std::uint32_t import_generation;  // ... and the generation that its slot had when it was granted
  std::uint64_t destination;        // bytes from the start of the client's destination space
  union {
    std::byte inline_data[kInlineBytes];
    InlineBytesAndImmediate inline_notify;
    LocalBytes local;
    AtomicOperands atomic;
    MarkOperands mark;
  };
};

static_assert(sizeof(SendDescriptor) == kCacheLineSize);
static_assert(offsetof(SendDescriptor, header) == 0);
static_assert(offsetof(SendDescriptor, import_slot) == 8);
static_assert(offsetof(SendDescriptor, import_generation) == 12);
static_assert(offsetof(SendDescriptor, destination) == 16);
static_assert(offsetof(SendDescriptor, inline_data) == 24);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint64_t make_header(std::uint64_t ticket, LocalPlace place, Operation operation,
                                    std::uint8_t flags, std::uint8_t inline_length) {
  return ((ticket + 1) << 32) | (std::uint64_t{static_cast<std::uint8_t>(place)} << 24) |
         (std::uint64_t{static_cast<std::uint8_t>(operation)} << 16) | (std::uint64_t{flags} << 8) |
         inline_length;
}
constexpr std::uint32_t header_sequence(std::uint64_t header) {
  return static_cast<std::uint32_t>(header >> 32);
}
constexpr std::uint32_t sequence_of_ticket(std::uint64_t ticket) {
  return static_cast<std::uint32_t>(ticket + 1);
}
constexpr std::uint8_t header_place(std::uint64_t header) {
  return static_cast<std::uint8_t>(header >> 24);
}
constexpr std::uint8_t header_operation(std::uint64_t header) {
  return static_cast<std::uint8_t>(header >> 16);
}
constexpr std::uint8_t header_flags(std::uint64_t header) {
  return static_cast<std::uint8_t>(header >> 8);
}
constexpr std::uint8_t header_inline_length(std::uint64_t header) {
  return static_cast<std::uint8_t>(header);
}

}  // namespace vmmc::wire
