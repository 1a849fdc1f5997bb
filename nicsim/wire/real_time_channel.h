// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The real-time channel: datagrams from one process to another within a budget that nicsim has
// admitted. All memory is anonymous (memfd), made and allocated by nicsim when the channel is
// opened, in four parts by who writes:
//
//   source   Written by the sender, read by the receiver (read-only). Holds the pages that are
//            lent, the sender's buffers for long datagrams, and the outgoing queue.
//   arrival  Written by the executor, that is by the sender (host) or by nicsim (nic), read by the
//            receiver. Holds the arrival queue, the receiver's buffers for long datagrams, and the
//            bell.
//   demand   Written by the receiver, read by the sender (read-only). Holds the pages and buffers
//            that come back, and the histogram.
//   verdict  Written by nicsim, read by both (read-only). Holds who is executor, who has ended, and
//            what comes back from datagrams that were lost.
//
// A datagram of at most kPageSize bytes stands in one of the sender's pages, and the page is lent:
// the receiver reads it where it is and gives it back. A longer one is cut into fragments, each of
// at most one packet, which go straight to their final offsets in one of the receiver's buffers, in
// any order.
//
// With the host executor the sender's own core writes the arrival part, and nicsim has no part in a
// send. With the nic executor the sender has no mapping of the arrival part: it puts the datagram
// into the outgoing queue, and nicsim checks it and carries it out, before any packet of an
// ordinary transfer that has not begun.
//
// Threads and processes
//   One thread of the sender and one of the receiver at a time. The receiver believes nothing of
//   the source and arrival parts, nicsim nothing of what either writes: each value is read once,
//   copied, checked, used.
//
// Invariants
//   Datagram n since the channel was connected (0, 1, ...) stands in slot n % kChannelSlots of the
//   arrival queue, and is there when the slot's sequence is n + 1. Datagrams arrive in the order
//   they were sent; numbers of those that were lost are filled with kLost slots, so that none is
//   missing without a word. The outgoing queue has a count of its own; the slot of the k-th
//   datagram put there (0, 1, ...), and its buffer of the source part, are free when
//   Verdict::carried_out is above k. A page or buffer is with exactly one side. At most `depth` are
//   out, so that no queue ever overflows; those that were lost are not out, so nicsim writes a slot
//   only if the receiver has passed the one that was there before. Whoever changes from one
//   executor to the other has nothing under way: the sender looks at Verdict::executor before each
//   send, goes to nic at once, and back to host only when nicsim has carried out all of its
//   outgoing queue.
//
// What a crash at any instruction leaves behind
//   A dead sender: what had arrived stays readable, lent pages stay with the receiver until it
//   closes. A dead receiver: the sender is told (kPeerDead) and its pages are its own. nicsim sees
//   either hang-up, says so in the verdict, and rings.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/control.h"
#include "nicsim/wire/version.h"

namespace vmmc::wire {

inline constexpr std::uint32_t kChannelSlots = 256;              // of each queue
inline constexpr std::uint32_t kMaxChannelDepth = 128;           // datagrams that are out at a time
inline constexpr std::uint32_t kLongestDatagram = 1u << 20;      // bytes
inline constexpr std::uint32_t kMostMessages = 1'000'000;        // per period
inline constexpr std::uint64_t kShortestPeriod = 1'000;          // ns
inline constexpr std::uint64_t kLongestPeriod = 10'000'000'000;  // ns
inline constexpr std::uint32_t kLatencyBuckets = 512;

enum class DatagramPlace : std::uint32_t {
  kPage = 1,    // `index` is a page of the source part, lent
  kBuffer = 2,  // arrival: `index` is a buffer of the arrival part; outgoing: of the source part
  kLost = 3,    // arrival only: a fragment of it was lost, or did not come in time
};

// One cache line. All but `sequence` is plain data that becomes visible through it.
struct alignas(kCacheLineSize) DatagramSlot {
  // Of the arrival queue: number + 1. Of the outgoing queue, which has those datagrams only that
  // the sender did not carry out itself: how many of them have been put into it, this one included;
  // it stands in slot (sequence - 1) % kChannelSlots.
  std::atomic<std::uint64_t> sequence;
  std::uint64_t sent;  // ns, CLOCK_MONOTONIC, when the send was called
  std::uint64_t number;
  DatagramPlace place;
  std::uint32_t index;
  std::uint32_t length;  // bytes, 0 is allowed
  std::uint32_t target;  // outgoing, kBuffer: the buffer of the arrival part that it goes to
  std::uint64_t tag;     // the program's
  std::uint32_t reserved[4];
};
static_assert(sizeof(DatagramSlot) == 64);
static_assert(offsetof(DatagramSlot, sent) == 8);
static_assert(offsetof(DatagramSlot, place) == 24);
static_assert(offsetof(DatagramSlot, tag) == 40);

// A page or buffer that comes back to the sender: the place in the low byte, the index above it.
constexpr std::uint32_t make_returned(DatagramPlace place, std::uint32_t index) {
  return (index << 8) | static_cast<std::uint32_t>(place);
}
constexpr std::uint32_t returned_index(std::uint32_t returned) { return returned >> 8; }
constexpr DatagramPlace returned_place(std::uint32_t returned) {
  return static_cast<DatagramPlace>(returned & 0xff);
}

// Head of the source part; then `depth` pages at kSourcePagesOffset, then `depth` buffers of
// buffer_bytes, if datagrams may be longer than a page.
struct ChannelSource {
  alignas(kCacheLineSize) std::atomic<std::uint64_t> refused;  // sends that were over budget
  std::atomic<std::uint64_t> without_page;                     // that found no page or buffer
  alignas(kPageSize) DatagramSlot outgoing[kChannelSlots];     // nic executor
};
inline constexpr std::size_t kSourcePagesOffset = 4096 + 64 * kChannelSlots;
static_assert(sizeof(ChannelSource) == kSourcePagesOffset);

// Head of the arrival part; then `depth` buffers of buffer_bytes at kArrivalBuffersOffset.
struct ChannelArrival {
  // The receiver, before it sleeps: stores 1, looks once more at the next slot and at the verdict,
  // and polls its bell. Whoever has made a slot visible exchanges it for 0 and, if it was 1,
  // writes to the bell.
  alignas(kCacheLineSize) std::atomic<std::uint32_t> receiver_sleeps;
  alignas(kPageSize) DatagramSlot slots[kChannelSlots];
};
inline constexpr std::size_t kArrivalBuffersOffset = 4096 + 64 * kChannelSlots;
static_assert(sizeof(ChannelArrival) == kArrivalBuffersOffset);

// Written by the receiver, for itself, the sender and those who look at the machine.
// Buckets of latencies (ns): below 16 one for each value; above, 16 of equal width in each power of
// two: value v of n bits is in bucket (n - 5) * 16 + (v >> (n - 5)). The last one has all that is
// longer.
// received + lost + malformed: the number of the next datagram. Slots below it are free.
struct ChannelDemand {
  alignas(kCacheLineSize) std::atomic<std::uint64_t> returned;  // entries of `returns` ever written
  std::atomic<std::uint64_t> received;
  std::atomic<std::uint64_t> lost;             // kLost slots that it has passed
  std::atomic<std::uint64_t> deadline_misses;  // received later than the deadline
  std::atomic<std::uint64_t> malformed;        // slots that made no sense
  alignas(kPageSize) std::atomic<std::uint32_t> returns[kChannelSlots];
  alignas(kPageSize) std::atomic<std::uint64_t> latencies[kLatencyBuckets];
};
static_assert(offsetof(ChannelDemand, returns) == 4096);
static_assert(offsetof(ChannelDemand, latencies) == 8192);
static_assert(sizeof(ChannelDemand) == 12288);

enum class ChannelState : std::uint32_t {
  kOffered = 0,  // no sender yet
  kConnected = 1,
  kSenderEnded = 2,  // closed, or died: see Verdict::status
  kReceiverEnded = 3,
};

struct ChannelVerdict {
  // Set once, before the first descriptor of it is handed over.
  alignas(kCacheLineSize) std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t depth;
  std::uint32_t longest;       // bytes of a datagram
  std::uint32_t buffer_bytes;  // longest, rounded up to pages; 0: every datagram fits a page
  std::uint32_t messages;      // per period
  std::uint64_t period;        // ns
  std::uint64_t deadline;      // ns
  alignas(kCacheLineSize) std::atomic<std::uint32_t> state;  // ChannelState
  std::atomic<std::uint32_t> executor;                       // ExecutorDemand: kHost or kNic
  std::atomic<std::int32_t> status;  // kOk: the other side closed; kPeerDead
  alignas(
      kCacheLineSize) std::atomic<std::uint64_t> carried_out;  // datagrams of the outgoing queue
  std::atomic<std::uint64_t> refused;   // of these, that made no sense or were over budget
  std::atomic<std::uint64_t> lost;      // of these, that lost a fragment
  std::atomic<std::uint64_t> returned;  // entries of `returns` ever written
  alignas(kPageSize)
      std::atomic<std::uint32_t> returns[kChannelSlots];  // of lost and refused datagrams
};
static_assert(offsetof(ChannelVerdict, state) == 64);
static_assert(offsetof(ChannelVerdict, carried_out) == 128);
static_assert(offsetof(ChannelVerdict, returns) == 4096);
static_assert(sizeof(ChannelVerdict) == 8192);

// -------------------------------------------------------------------------------- control messages

// Of the receiver: what is admitted. Refused with kNicOvercommitted, kDeadlineTooShort,
// kReservationFull (memory), kTooManyChannels, kBadBudget (numbers that make no sense),
// kDuplicateId, kInvalidRights, kNotInSimulatedTime.
struct OpenChannelRequest {
  MessageHeader header;
  std::uint32_t channel;   // the client's choice, unique among its channels
  std::uint32_t messages;  // per period, 1 ..
  std::uint64_t period;    // ns, kShortestPeriod .. kLongestPeriod
  std::uint64_t deadline;  // ns from the send until the receiver can have it
  std::uint32_t longest;   // bytes of a datagram, 1 .. kLongestDatagram
  std::uint32_t depth;     // datagrams that are out at a time, 1 .. kMaxChannelDepth
  ExecutorDemand executor;
  std::uint32_t user;  // who may connect: user, node and process, each or any
  std::uint32_t from_node;
  std::uint32_t from_process;
};
static_assert(sizeof(OpenChannelRequest) == 64);

// Of the sender. kUnknownChannel, kPermissionDenied, kChannelTaken (it has, or has had, a sender),
// kOutOfMemory, kNotInSimulatedTime.
struct ConnectChannelRequest {
  MessageHeader header;
  std::uint32_t node;
  std::uint32_t process;  // that has opened it
  std::uint32_t channel;
  std::uint32_t reserved;
};
static_assert(sizeof(ConnectChannelRequest) == 32);

// The parts that come along as descriptors, in this order:
//   to the receiver: source (read-only), arrival, demand, verdict (read-only), its bell
//   to the sender:   source, demand (read-only), verdict (read-only), the receiver's bell, and,
//                    unless the channel demands nic, arrival
// A client that gets fewer, as it can have no more descriptors, must not use the channel, and
// closes it. The bell is a pipe that does not wait. It is rung by writing 8 bytes, and a read takes
// as many rings as it has room for; a ring that finds it full is dropped. Receiver, sender and
// nicsim share no open file of it, so none can have another wait. The clients' are for reading and
// writing: a receiver rings for itself when nicsim has died, and whoever rings is never without a
// reader.
// `reason`: of a refusal, what the figures were: kNicOvercommitted: thousandths of the NIC that
// would be in use and that may be; kDeadlineTooShort: ns that the response would take and the
// deadline; kReservationFull: bytes; kTooManyChannels: channels of the process, or of all.
struct ChannelReply {
  MessageHeader header;
  std::uint32_t handle;  // by which this process names it
  std::uint32_t reserved;
  std::uint64_t needed;
  std::uint64_t available;
};
static_assert(sizeof(ChannelReply) == 40);

// kUnknownChannel, kNotInSimulatedTime.
struct CloseChannelRequest {
  MessageHeader header;
  std::uint32_t handle;
  std::uint32_t reserved;
};
static_assert(sizeof(CloseChannelRequest) == 24);

}  // namespace vmmc::wire
