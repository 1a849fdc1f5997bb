// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The control messages on nicsim's Unix socket (SOCK_SEQPACKET: one message, one packet). Every
// client message is a request with a number of the client's choice, and is answered by exactly one
// reply that repeats the number. Replies come in the order of the requests, but for the reply to an
// import that waits for its export, and to an unexport that waits for transfers.
//
// The first 16 bytes of both directions (MessageHeader) keep their layout in every version, so that
// two versions can always tell each other who they are.
//
// Descriptors travel as SCM_RIGHTS: with AttachReply the channel memfd, the doorbell eventfd and the
// reading end of the notification pipe, in this order; with RegisterSegment the segment's memfd; with
// ImportReply, if the host executor is granted, the memfd of the buffer's segment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/status.h"
#include "nicsim/wire/version.h"

namespace vmmc::wire {

enum class MessageType : std::uint16_t {
  kAttach = 1,
  kRegisterSegment = 2,
  kReleaseSegment = 3,
  kExport = 4,
  kUnexport = 5,
  kImport = 6,
  kCancelImport = 7,
  kUnimport = 8,
  kAcceptNotifications = 9,
  kListImporters = 10,
  kRedirect = 11,
  kEndRedirection = 12,
  kReadCounters = 13,
  kWatch = 14,
  kDeclareBinding = 15,
  kEndBinding = 16,
  // Of an observer: a connection that does not attach, and may ask for nothing else.
  kSnapshot = 17,
  kStartTrace = 18,
  kStopTrace = 19,
  kReadTrace = 20,
  // Receive rings: see frame_ring.h.
  kOpenRing = 21,
  kJoinRing = 22,
  kCloseRing = 23,
  // Real-time channels: see real_time_channel.h.
  kOpenChannel = 24,
  kConnectChannel = 25,
  kCloseChannel = 26,
};

struct MessageHeader {
  std::uint32_t magic;    // kMagic
  std::uint16_t version;  // kVersion
  MessageType type;       // a reply repeats the request's type
  std::uint32_t request;  // chosen by the client, repeated by the reply
  Status status;          // kOk in requests; the verdict in replies
};
static_assert(sizeof(MessageHeader) == 16);
static_assert(offsetof(MessageHeader, version) == 4);
static_assert(offsetof(MessageHeader, type) == 6);
static_assert(offsetof(MessageHeader, request) == 8);
static_assert(offsetof(MessageHeader, status) == 12);

inline constexpr std::uint32_t kAnyNode = 0xffffffff;  // attach: node 0; rights: every node
inline constexpr std::uint32_t kAnyProcess =
    0xffffffff;  // attach: nicsim chooses; rights: every process
inline constexpr std::uint32_t kAnyUser = 0xffffffff;  // rights: every user

inline constexpr std::uint32_t kAccessRead = 1;
inline constexpr std::uint32_t kAccessWrite = 2;

// Who moves the bytes: what an export allows, an import asks for, and nicsim grants.
enum class ExecutorDemand : std::uint32_t {
  kAny = 0,
  kNic = 1,   // every transfer must pass nicsim's checks
  kHost = 2,  // the importer itself, on a mapping of the buffer's pages; no export demands it
};

// The largest destination space of a process.
inline constexpr std::uint64_t kMaxDestinationSpaceBytes = std::uint64_t{64} << 30;

struct AttachRequest {
  MessageHeader header;
  std::uint32_t node;     // or kAnyNode
  std::uint32_t process;  // or kAnyProcess
  // nicsim reads 8 bytes at `probe_address` of the client and compares them with `probe_value`: the
  // proof that it may read the client's memory across (process_vm_readv), and that it is the right
  // process.
  std::uint64_t probe_address;
  std::uint64_t probe_value;
  // Of the address range that the client has reserved; 0: none yet, nicsim may grant what it likes.
  std::uint64_t destination_space_bytes;
};
static_assert(sizeof(AttachRequest) == 48);

struct AttachReply {
  MessageHeader header;
  std::uint32_t node;
  std::uint32_t process;
  std::uint32_t nodes;                    // number of emulated nodes
  std::uint32_t can_read_memory;          // 1 if LocalPlace::kMemory works for this client
  std::uint64_t destination_space_bytes;  // granted: not more than was reserved
  std::uint32_t clock;                    // kRealTime or kSimulatedTime
  std::uint32_t recorded;                 // 1: the client is to post marks (Operation::kMark)
};
static_assert(sizeof(AttachReply) == 48);

// A segment is a memfd, sealed against shrinking, whose pages the client may name as the home of an
// exported buffer or as the source of a transfer. One that is lendable nicsim seals against growing
// and against more seals, too.
struct RegisterSegmentRequest {
  MessageHeader header;
  std::uint64_t bytes;     // multiple of kPageSize, not above the size of the file
  std::uint32_t lendable;  // 0 or 1: nicsim may hand the memfd to importers; see buffer_bell.h
  std::uint32_t reserved;
};
static_assert(sizeof(RegisterSegmentRequest) == 32);

struct RegisterSegmentReply {
  MessageHeader header;
  std::uint32_t segment;
  std::uint32_t reserved;
};
static_assert(sizeof(RegisterSegmentReply) == 24);

struct ReleaseSegmentRequest {
  MessageHeader header;
  std::uint32_t segment;
  std::uint32_t reserved;
};
static_assert(sizeof(ReleaseSegmentRequest) == 24);

// A run of whole pages of one segment. A buffer is a list of extents, in the order of its
// addresses.
struct Extent {
  std::uint32_t segment;
  std::uint32_t first_page;
  std::uint32_t pages;  // > 0
  std::uint32_t reserved;
};
static_assert(sizeof(Extent) == 16);

inline constexpr std::uint32_t kMaxExtents = 64;

struct ExportRequest {
  MessageHeader header;
  std::uint32_t buffer_id;
  std::uint32_t access;   // kAccessRead | kAccessWrite, at least one
  std::uint32_t user;     // who may import: uid, or kAnyUser
  std::uint32_t node;     // ... and node, or kAnyNode
  std::uint32_t process;  // ... and process id, or kAnyProcess
  ExecutorDemand executor;
  std::uint64_t length;  // bytes, > 0
  std::uint32_t flags;   // kExportNotifies, kExportRedirectable
  std::uint32_t reserved;
  std::uint64_t cookie;       // repeated by every notification of the buffer
  std::uint32_t page_offset;  // of the first byte in the first page; multiple of kWordSize
  std::uint32_t extent_count;
  Extent extents[kMaxExtents];  // only the first extent_count are sent
};
static_assert(offsetof(ExportRequest, extents) == 72);

inline constexpr std::uint32_t kExportNotifies = 1;      // there is a handler
inline constexpr std::uint32_t kExportRedirectable = 2;  // kRedirect may be asked for

struct UnexportRequest {
  MessageHeader header;
  std::uint32_t buffer_id;
  std::uint32_t reserved;
};
static_assert(sizeof(UnexportRequest) == 24);

// Whether importers got a mapping: then the exporter must give the program other pages, as the old
// ones can still be stored to.
struct UnexportReply {
  MessageHeader header;
  std::uint32_t lent;  // 0 or 1
  std::uint32_t reserved;
};
static_assert(sizeof(UnexportReply) == 24);

struct ImportRequest {
  MessageHeader header;
  std::uint32_t node;
  std::uint32_t process;
  std::uint32_t buffer_id;
  std::uint32_t access;     // wanted; the export must grant all of it
  ExecutorDemand executor;  // kHost: refused with kExecutorUnavailable if it cannot be granted
  // For simulated time: 0 or 1: a thread does nothing else until the reply comes, which is
  // kImportCancelled after `timeout` ns (kNoEnd: never).
  std::uint32_t waits;
  std::uint64_t timeout;
};
static_assert(sizeof(ImportRequest) == 48);

// Sent at once when the buffer is exported or the request is refused, and otherwise when it becomes
// exported.
struct ImportReply {
  MessageHeader header;
  std::uint32_t import_slot;
  std::uint32_t import_generation;
  std::uint64_t
      destination;  // of the buffer's first byte, bytes from the start of the destination space
  std::uint64_t length;     // bytes
  std::uint32_t access;     // granted: what was asked for
  ExecutorDemand executor;  // kHost: a memfd comes along; kNic otherwise
};
static_assert(sizeof(ImportReply) == 48);

struct CancelImportRequest {
  MessageHeader header;
  std::uint32_t import_request;  // the request number of the import to withdraw
  std::uint32_t reserved;
};
static_assert(sizeof(CancelImportRequest) == 24);

struct UnimportRequest {
  MessageHeader header;
  std::uint32_t import_slot;
  std::uint32_t import_generation;
};
static_assert(sizeof(UnimportRequest) == 24);

inline constexpr std::uint32_t kAllBuffers = 1;

// Whether messages that ask for a notification get one: of one buffer, or, with kAllBuffers, of every
// buffer of the process, later ones included.
struct AcceptNotificationsRequest {
  MessageHeader header;
  std::uint32_t buffer_id;
  std::uint32_t scope;   // 0 or kAllBuffers
  std::uint32_t accept;  // 0 or 1
  std::uint32_t reserved;
};
static_assert(sizeof(AcceptNotificationsRequest) == 32);

struct ListImportersRequest {
  MessageHeader header;
  std::uint32_t buffer_id;
  std::uint32_t first;  // skip so many
};
static_assert(sizeof(ListImportersRequest) == 24);

struct ProcessIdentity {
  std::uint32_t node;
  std::uint32_t process;
};

inline constexpr std::uint32_t kMaxListedImporters = 32;

struct ListImportersReply {
  MessageHeader header;
  std::uint32_t total;   // one for each import that is held now
  std::uint32_t listed;  // from request.first on
  ProcessIdentity importers[kMaxListedImporters];
};
static_assert(sizeof(ListImportersReply) == 280);

// The most that one redirection covers: bytes that have arrived already are copied while everybody
// waits.
inline constexpr std::uint64_t kMaxRedirectionBytes = 1 << 20;
inline constexpr std::uint32_t kMaxRedirections = 1024;  // of one buffer

// From now on what is sent to [offset, offset + length) of the buffer goes to the extents instead.
// What has arrived there since the export, or since it was last redirected, is copied there first.
struct RedirectRequest {
  MessageHeader header;
  std::uint32_t buffer_id;
  std::uint32_t reserved;
  std::uint64_t offset;       // bytes, in the buffer
  std::uint64_t length;       // bytes, 1 .. kMaxRedirectionBytes
  std::uint32_t page_offset;  // of the first byte in the first page
  std::uint32_t extent_count;
  Extent extents[kMaxExtents];  // only the first extent_count are sent
};
static_assert(offsetof(RedirectRequest, extents) == 48);

struct EndRedirectionRequest {
  MessageHeader header;
  std::uint32_t buffer_id;
  std::uint32_t reserved;
  std::uint64_t offset;  // that the redirection began with
};
static_assert(sizeof(EndRedirectionRequest) == 32);

// Of both. Bytes that were there before and were copied; bytes that have come directly.
struct RedirectionReply {
  MessageHeader header;
  std::uint64_t copied;
  std::uint64_t direct;  // 0 in the reply to kRedirect
};
static_assert(sizeof(RedirectionReply) == 32);

// kReadCounters has no body: when its reply comes, the channel's counters hold all that this process
// and those who import from it have moved by the host executor.

// While any process watches, every transfer passes through nicsim: no import is open to the host
// executor. A watch ends with the process that asked for it.
struct WatchRequest {
  MessageHeader header;
  std::uint32_t on;  // 0 or 1
  std::uint32_t reserved;
};
static_assert(sizeof(WatchRequest) == 24);

// So that who looks at the machine can see the bindings, which only the library knows. `binding` is a
// number of the client's choice, unique among its bindings. A declaration grants nothing and is not
// checked against what is sent; those of an import end with it, those of a process with the process.
inline constexpr std::uint32_t kMaxDeclaredBindings =
    4096;  // of one process; further ones are not kept

struct DeclareBindingRequest {
  MessageHeader header;
  std::uint32_t binding;
  std::uint32_t import_slot;
  std::uint32_t import_generation;
  std::uint8_t capture;    // enum vmmc_capture
  std::uint8_t combining;  // enum vmmc_combining
  std::uint8_t notifies;   // 0 or 1
  std::uint8_t reserved;
  std::uint64_t offset;   // in the buffer, bytes
  std::uint64_t length;   // bytes
  std::uint64_t timer;    // ns
  std::uint64_t address;  // of the local bytes, in the client
  // Where the local bytes are, if all of them are in one segment, and not the remote ones themselves.
  std::uint32_t segment;     // 0: nowhere
  std::uint32_t first_page;  // in the segment
};
static_assert(sizeof(DeclareBindingRequest) == 72);
static_assert(offsetof(DeclareBindingRequest, segment) == 64);

struct EndBindingRequest {
  MessageHeader header;
  std::uint32_t binding;
  std::uint32_t reserved;
};
static_assert(sizeof(EndBindingRequest) == 24);

// Observers: the user who runs nicsim, and root. A connection is an observer if its first message is one
// of these; it may ask any number of times, and it is not counted as a client: nicsim may leave.

// No body. The reply comes with a memfd, sealed, of `bytes` bytes: a JSON document, see docs/format.md.
struct SnapshotReply {
  MessageHeader header;
  std::uint64_t bytes;
};
static_assert(sizeof(SnapshotReply) == 24);

// While a trace is on, every transfer passes through nicsim, as if somebody watched. It ends with
// kStopTrace, whoever asks for it. kTraceIsOn: there is one already.
struct StartTraceRequest {
  MessageHeader header;
  std::uint64_t records;  // of the ring; 0: nicsim's default
};
static_assert(sizeof(StartTraceRequest) == 24);

// kStopTrace has no body. kTraceIsOff: there is none.

// kReadTrace has no body. The reply comes with a descriptor, read-only, of the ring that is being written,
// or was written last: see trace_record.h. kTraceIsOff: there has never been one.
struct ReadTraceReply {
  MessageHeader header;
  std::uint64_t bytes;  // of the whole
};
static_assert(sizeof(ReadTraceReply) == 24);

// The reply that carries nothing but the verdict; also the request that has no body.
struct PlainReply {
  MessageHeader header;
};
static_assert(sizeof(PlainReply) == 16);

inline constexpr std::size_t kMaxMessageBytes = sizeof(ExportRequest);

}  // namespace vmmc::wire
