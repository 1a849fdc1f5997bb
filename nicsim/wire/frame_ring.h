// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The receive ring: frames that nicsim's DMA has put into memory that a process reads in place.
//
// A ring is two kinds of anonymous memory (memfd), all of it allocated when the ring is opened:
//
//   the blocks  `blocks` x `block_bytes`. nicsim writes frames there. Mirrored consumers have them
//               read-only, an exclusive consumer may write into what it holds.
//   a port      one for each consumer, of kRingPortBytes: which blocks it has been given, which it
//               has given back, what was dropped, who sleeps. No other consumer can reach it.
//
// A block is offered to its consumer when its first frame is put into it, not when it is full:
// frames are visible as soon as BlockHeader::filled says so, and the block is only the unit that is
// given back.
//
//   port, offset      bytes              who writes    what
//   0                 64                 nicsim, once  RingPortHeader
//   64                64                 nicsim        RingOffer: blocks given out, state
//   128               64                 both          RingDemand: blocks given back, who sleeps
//   192               64                 nicsim        RingCounters
//   4096              4 x kMaxRingBlocks nicsim        offered[n % kMaxRingBlocks]: block of the
//                     n-th offer
//   20480             4 x kMaxRingBlocks consumer      returned[n % kMaxRingBlocks]: the n-th that
//                     came back
//
// Threads and processes
//   One thread of a consumer at a time. nicsim believes nothing that a consumer writes: a returned
//   block counts only if the consumer holds it, which nicsim knows by itself. nicsim never reads
//   the blocks.
//
// Invariants
//   RingOffer::offered - RingDemand::returned blocks are with the consumer, at most `blocks`. The
//   frames of a block stand one behind the other from kBlockHeaderBytes on, each header aligned to
//   32; what lies below `filled` never changes while the block is held. A closed block gets no more
//   frames.
//
// What a crash at any instruction leaves behind
//   A dead consumer's blocks: nicsim learns of the hang-up and takes them back; those of an
//   exclusive consumer that were not given back are offered to another one, with
//   kBlockOfferedBefore. A dead nicsim leaves blocks that no longer change, and a pipe that hangs
//   up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/control.h"
#include "nicsim/wire/version.h"

namespace vmmc::wire {

inline constexpr std::uint32_t kMinRingBlocks = 2;
inline constexpr std::uint32_t kMaxRingBlocks = 4096;
inline constexpr std::uint32_t kMaxBlockBytes = 16u << 20;  // a multiple of kPageSize
inline constexpr std::uint64_t kMaxRingBytes = std::uint64_t{1} << 30;
inline constexpr std::uint32_t kMaxFrameBytes = 262'144;  // captured of one frame
inline constexpr std::uint32_t kFrameAlignment = 32;
inline constexpr std::uint32_t kMaxRingConsumers = 64;

// ---------------------------------------------------------------------------------- the blocks

inline constexpr std::uint64_t kBlockClosed = std::uint64_t{1} << 63;
inline constexpr std::uint32_t kBlockOfferedBefore =
    1;  // to a consumer that ended: it may have read a part

struct alignas(kCacheLineSize) BlockHeader {
  std::atomic<std::uint64_t>
      filled;            // bytes from the block's first on, this header included; | kBlockClosed
  std::uint64_t number;  // 0, 1, 2 ... of the ring's blocks, as they were begun
  std::uint64_t first_frame;  // number of its first frame; numbers count dropped ones, too
  std::uint32_t flags;        // kBlockOfferedBefore
  std::uint32_t reserved[9];
};
inline constexpr std::uint32_t kBlockHeaderBytes = 64;
static_assert(sizeof(BlockHeader) == kBlockHeaderBytes);

// Of FrameHeader::flags.
inline constexpr std::uint16_t kFrameCut = 1;           // captured < length
inline constexpr std::uint16_t kFrameOutbound = 2;      // leaves the interface
inline constexpr std::uint16_t kFrameVlanStripped = 4;  // `vlan` was taken out of it before the DMA
inline constexpr std::uint16_t kFrameVlanService = 8;   // that tag's type is 0x88a8; else 0x8100

// `captured` bytes of the frame follow the header.
struct FrameHeader {
  std::uint64_t time;      // ns since 1970
  std::uint32_t captured;  // bytes that are here
  std::uint32_t length;    // bytes that the frame had
  std::uint32_t next;      // bytes from this header to the next one; a multiple of kFrameAlignment
  std::uint32_t dropped;  // frames that were dropped between the one before and this one; saturates
  std::uint16_t link_type;  // LINKTYPE_...: 1 Ethernet, 147 packets of the backplane
  std::uint16_t flags;      // kFrame...
  std::uint16_t
      interface;       // of a capture file with several; the node that a backplane's packet reached
  std::uint16_t vlan;  // tag control information, with kFrameVlanStripped
};
static_assert(sizeof(FrameHeader) == 32);

// The content of a frame of the backplane: this header, then the packet's payload. docs/format.md
inline constexpr std::uint16_t kBackplaneLinkType = 147;  // LINKTYPE_USER0
inline constexpr std::uint32_t kBackplaneHeaderBytes = 72;

// ------------------------------------------------------------------------------------- the port

struct alignas(kCacheLineSize) RingPortHeader {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t blocks;
  std::uint32_t block_bytes;
  std::uint32_t snap_length;
  std::uint32_t mirrored;  // 0: this consumer may write into the blocks that it holds
  std::uint32_t source;    // FrameSourceKind
  std::uint32_t reserved[9];
};

enum class RingState : std::uint32_t {
  kLive = 0,
  kEnded = 1,  // the source gives no more frames; RingOffer::status says why
};

// `state` is stored after the last frame is visible and the last block offered.
struct alignas(kCacheLineSize) RingOffer {
  std::atomic<std::uint64_t> offered;
  std::atomic<std::uint32_t> state;  // RingState
  std::atomic<std::int32_t> status;  // Status: kOk: the source has ended as it should
  std::uint32_t reserved[12];
};

// The consumer, before it sleeps: stores 1 to consumer_sleeps, looks once more at the offers, at
// `filled` of its last block and at the state, and polls the pipe that came with the port. nicsim,
// after it has made something visible, exchanges consumer_sleeps for 0 and, if it was 1, writes one
// byte to the pipe. nicsim, before it leaves off for want of blocks: stores 1 to nic_sleeps and
// looks once more at `returned`; a consumer that has raised `returned` and then exchanges a 1 for 0
// rings the doorbell of its process.
struct alignas(kCacheLineSize) RingDemand {
  std::atomic<std::uint64_t> returned;
  std::atomic<std::uint32_t> consumer_sleeps;
  std::atomic<std::uint32_t> nic_sleeps;
  std::uint32_t reserved[12];
};

// Of this consumer since it has had the port. One writer, plain stores. Every frame that the source
// has given is counted once: delivered + dropped.
struct alignas(kCacheLineSize) RingCounters {
  std::atomic<std::uint64_t> delivered;        // frames put into blocks of this consumer
  std::atomic<std::uint64_t> delivered_bytes;  // captured
  std::atomic<std::uint64_t> dropped;          // frames that found no free block
  std::atomic<std::uint64_t> dropped_bytes;    // captured
  std::atomic<std::uint64_t> source_dropped;   // frames that the source itself says it has lost
  std::atomic<std::uint64_t> wakeups;          // bytes written to the pipe
  std::uint64_t reserved[2];
};

struct RingPort {
  RingPortHeader header;
  RingOffer offer;
  RingDemand demand;
  RingCounters counters;
  alignas(kPageSize) std::uint32_t offered[kMaxRingBlocks];
  alignas(kPageSize) std::atomic<std::uint32_t> returned[kMaxRingBlocks];
};
inline constexpr std::size_t kRingPortBytes = 36864;

static_assert(sizeof(RingPortHeader) == 64 && sizeof(RingOffer) == 64);
static_assert(sizeof(RingDemand) == 64 && sizeof(RingCounters) == 64);
static_assert(offsetof(RingPort, offer) == 64);
static_assert(offsetof(RingPort, demand) == 128);
static_assert(offsetof(RingPort, counters) == 192);
static_assert(offsetof(RingPort, offered) == 4096);
static_assert(offsetof(RingPort, returned) == 20480);
static_assert(sizeof(RingPort) == kRingPortBytes);

// -------------------------------------------------------------------------------- control messages

enum class FrameSourceKind : std::uint32_t {
  kBackplane = 1,    // packets of the backplane, promiscuously; no descriptor
  kCaptureFile = 2,  // pcap or pcapng; comes with a descriptor, open for reading, of a regular file
  kInterface =
      3,  // comes with a packet socket that the client has made and bound (PF_PACKET, SOCK_RAW):
          // so the right to capture is the client's own
};

enum class RingSharing : std::uint32_t {
  kExclusive = 0,  // each block goes to one consumer
  kMirrored = 1,   // each block goes to all consumers; it is free again when all have given it back
};

enum class RingSpread : std::uint32_t {
  kBlocks = 0,  // to the consumer that holds the fewest
  kFlows = 1,   // the frames of one flow (addresses and ports, both directions) go to one consumer
};

enum class RingPace : std::uint32_t {
  kFull = 0,      // a file as fast as the consumers read it: it waits for room, nothing is dropped
  kRecorded = 1,  // a file as its time stamps say: what finds no room is dropped
};

// With one descriptor for kCaptureFile and kInterface. kDuplicateId, kBadRing (sizes),
// kOutOfMemory, kTooManyRings, kNoSuchNode, kNotACapture, kCorruptCapture, kTruncatedCapture,
// kBadFrameSource (a descriptor that is not what the source needs), kNotInSimulatedTime,
// kInvalidRights, kMalformed.
struct OpenRingRequest {
  MessageHeader header;
  std::uint32_t ring;  // the client's choice, unique among its rings
  FrameSourceKind source;
  std::uint32_t node;  // kBackplane: packets that leave or reach this node, or kAnyNode
  RingSharing sharing;
  RingSpread spread;
  RingPace pace;
  std::uint32_t blocks;
  std::uint32_t block_bytes;  // a multiple of kPageSize; holds a header and a frame of snap_length
  std::uint32_t snap_length;  // bytes of a frame that are kept at most
  std::uint32_t user;         // who else may join: user, node and process, each or any
  std::uint32_t from_node;
  std::uint32_t from_process;
  std::uint64_t
      block_timeout;  // ns from a block's first frame until it is closed, full or not; 0: no end
  // The source is asked for its first frame when there are so many consumers, the opener among them, or when
  // nobody can join any more; 0 and 1: at once. At most kMaxRingConsumers: else kBadRing.
  std::uint32_t consumers;
  std::uint32_t reserved;
};
static_assert(sizeof(OpenRingRequest) == 80);

// kUnknownRing, kPermissionDenied, kOutOfMemory, kTooManyRings.
struct JoinRingRequest {
  MessageHeader header;
  std::uint32_t node;
  std::uint32_t process;  // that has opened it
  std::uint32_t ring;
  std::uint32_t reserved;
};
static_assert(sizeof(JoinRingRequest) == 32);

// Of both. Comes with three descriptors: the blocks' memfd (read-only for a mirrored consumer), the
// port's memfd, the reading end of the port's pipe. A new consumer gets frames from now on.
struct RingReply {
  MessageHeader header;
  std::uint32_t port;  // by which this process names it
  std::uint32_t link_type;
  std::uint64_t block_memory_bytes;
};
static_assert(sizeof(RingReply) == 32);

// kUnknownRing. A ring lives until its last consumer has left; its source stays at work for the
// others. When its opener has left nobody can join any more.
struct CloseRingRequest {
  MessageHeader header;
  std::uint32_t port;
  std::uint32_t reserved;
};
static_assert(sizeof(CloseRingRequest) == 24);

}  // namespace vmmc::wire
