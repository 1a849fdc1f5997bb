// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The trace: what happened, one record of fixed size for each step of the network interface. The same
// bytes in nicsim's memory, in the file of `nicsim --trace`, and in what `vmmcstat trace` saves:
//
//   offset       bytes                   what
//   0            4096                    TraceHeader, the rest zero
//   4096         128 x capacity          record number n in slot n % capacity
//
// A ring: when it is full the oldest record is overwritten. `written` says how many there have been, so
// a reader can say how many are gone.
//
// Slices, which have a duration, do not overlap on one track, that is, on one engine of one node. What can
// be twice at once on a node is an instant: initiations and interrupts, as each process is charged as if it
// had the processor for itself, and a packet's way through the backplane.
//
// Records are in the order in which they were written: a slice is written when it is over, and its `time`
// is when it began.
//
// Threads and processes
//   One thread of nicsim writes. A reader in another thread or process copies a slot and believes it
//   only if `sequence` was n + 1 before and after the copy.
//
// What a crash at any instruction leaves behind
//   A record whose sequence does not fit its slot was being written, or was not written to the file any
//   more: it counts as lost. Records behind `written` whose sequence fits are good.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/version.h"

namespace vmmc::wire {

inline constexpr std::uint32_t kTraceMagic = 0x54434d56;  // the bytes 'V' 'M' 'C' 'T' in memory
inline constexpr std::uint32_t kTraceVersion = 1;
inline constexpr std::uint32_t kTraceHeaderBytes = 4096;
inline constexpr std::uint32_t kTraceContentBytes = 36;

struct TraceHeader {
  std::uint32_t magic;    // kTraceMagic
  std::uint32_t version;  // kTraceVersion
  std::uint32_t clock;    // kRealTime or kSimulatedTime
  std::uint32_t record_bytes;
  std::uint64_t capacity;              // records; a power of two
  std::atomic<std::uint64_t> written;  // records since the trace began; stored after the record
  std::uint64_t began;  // real time of record time 0, ns since 1970; simulated: when it was started
  std::uint32_t rows;   // of the mesh of nodes
  std::uint32_t columns;
  char model[64];  // the timing model's name, "none" in real time; ends with 0
};
static_assert(sizeof(TraceHeader) == 112);
static_assert(offsetof(TraceHeader, written) == 24);

// Where something happens: the tracks of a node. Values are the format's.
enum class TraceEngine : std::uint8_t {
  kControlServer = 0,  // exports, imports, who comes and goes
  kProcessor = 1,      // the sender's: stores and initiations; the receiver's interrupts
  kSnoopLogic = 2,     // sees the stores to bound pages
  kOutgoingPageTable = 3,
  kPacketizer = 4,
  kOutgoingFifo = 5,
  kDeliberateUpdateEngine = 6,  // reads the source by DMA
  kNetworkInterfaceChip = 7,    // arbiter, format and send: the packet leaves
  kBackplane = 8,
  kIncomingPageTable = 9,
  kIncomingDmaEngine = 10,  // writes memory
  kNotification = 11,
};
inline constexpr int kTraceEngines = 12;

enum class TraceEvent : std::uint8_t {
  // Control server; `node`, `process`: whose request it was.
  kAttached = 1,
  kLeft = 2,
  kExported = 3,        // buffer, length; page: first incoming page
  kUnexported = 4,      // buffer
  kImported = 5,        // buffer of `peer` and `peer_process`, page: first outgoing page, length
  kUnimported = 6,      // the same
  kRequestRefused = 7,  // status; value: wire::MessageType
  kBound = 8,           // buffer of `peer`, offset, length; kTraceNotifies
  kUnbound = 9,         // the same
  // Operations: `operation` and `kind` say which.
  // From the send queue; length, buffer, offset, and where to: peer, peer_process. Of a real-time
  // datagram, from its channel's outgoing queue; value: its number.
  kTaken = 16,
  kStoreSnooped = 17,    // an automatic update's bytes are seen; length, offset
  kOutgoingLookup = 18,  // page: of the destination space; value: the incoming page that it names
  kPacketMade = 19,      // packet, length, offset, content
  kFifoEntered = 20,     // packet; value: bytes in the FIFO now
  kFifoLeft = 21,        // the same
  kSourceRead = 22,      // simulated time, a slice: DMA from the source's memory; length
  kPacketSent = 23,      // packet handed to the backplane; simulated time: a slice
  // It has come through the backplane. Simulated time; value: hops. Real time: kTraceLendsPage.
  kPacketCrossed = 24,
  kIncomingLookup = 25,  // page: incoming; status: kOk or why it was refused
  kMemoryWritten = 26,   // a slice: DMA into the receiver's memory; length, offset, content
  // The operation is done: status; value: ps since kTaken. Of a real-time datagram: the receiver can
  // see it, or, with kDatagramLost or kPeerDead, never will.
  kCompleted = 27,
  kRefused = 28,  // before it left: status
  // Notifications
  kInterrupt = 32,          // of the receiver's processor; value: ps that it takes, with its signal
  kNotified = 33,           // queued for the receiver; value: how many are queued now
  kNotificationStall = 34,  // the sender waits for room in the receiver's queue
  // The fault plan
  kPacketDropped = 40,
  kPacketCorrupted = 41,  // its checksum is wrong: the receiving interface throws it away
  kPacketDelayed = 42,    // value: ps
};

// TraceRecord::flags
inline constexpr std::uint8_t kTraceNotifies = 1;    // the operation asks for a notification
inline constexpr std::uint8_t kTraceLastPacket = 2;  // of its operation
// Of a real-time datagram: the packet lends a page of its sender, and nothing is written; kCompleted:
// the page is the receiver's. `page` is its number among the channel's.
inline constexpr std::uint8_t kTraceLendsPage = 4;

// TraceRecord::kind of a real-time datagram, which no descriptor asks for: it is no wire::Operation.
// `buffer` is its channel's id.
inline constexpr std::uint8_t kTraceRealTimeDatagram = 32;

// Fields that an event has no use for are 0; a process that is not known is kAnyProcess.
struct alignas(kCacheLineSize) TraceRecord {
  std::atomic<std::uint64_t> sequence;  // number of the record + 1; 0 while it is being written
  std::uint64_t time;                   // picoseconds since the trace began, or simulated time
  std::uint64_t duration;               // picoseconds; 0: an instant
  std::uint64_t operation;              // counted from 1 by nicsim; the same in all records of one
  std::uint32_t packet;                 // of the operation, from 0
  TraceEvent event;
  TraceEngine engine;
  std::uint8_t kind;  // wire::Operation, or kTraceRealTimeDatagram
  std::uint8_t flags;
  std::int32_t status;         // wire::Status
  std::uint16_t node;          // where it happened
  std::uint16_t peer;          // the other end of the packet, or of the import
  std::uint32_t process;       // on `node`, whose operation or memory it is
  std::uint32_t peer_process;  // on `peer`
  std::uint32_t buffer;        // the buffer's id at its exporter
  std::uint32_t page;
  std::uint64_t length;                   // bytes
  std::uint64_t offset;                   // in the buffer, bytes
  std::uint64_t value;                    // see the event
  std::uint32_t content_bytes;            // of `content` that are meant
  std::byte content[kTraceContentBytes];  // the first bytes of the packet
};
static_assert(sizeof(TraceRecord) == 128);
static_assert(offsetof(TraceRecord, content) == 92);

}  // namespace vmmc::wire
