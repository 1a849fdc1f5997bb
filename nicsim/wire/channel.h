// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The channel: the memory that nicsim shares with one attached process. One anonymous file (memfd),
// created and fully allocated by nicsim, sealed against shrinking and growing, handed to the client
// at attach.
//
//   offset            bytes              who writes    what
//   0                 64                 nicsim, once  ChannelHeader
//   64                64                 nicsim        SendStatus: progress of the send queue
//   128               64                 both          Doorbell: nicsim says that it sleeps
//   192               64                 both          WakeRequest: the client says that it sleeps
//   256               64                 both          Arrivals: futex word of the sleeping client
//   320               192                nicsim        ChannelCounters
//   512               64                 nicsim        NotificationStatus: progress of the notification queue
//   576               64                 both          NotificationDemand: how far the client is, who waits
//   640               4 x kSendSlots     nicsim        result of each send slot (Status)
//   1664              8 x kSendSlots     nicsim        word before the atomic operation of each send slot
//   3712              4 x kImportSlots   nicsim        ImportState of each import slot
//   20480             16 x kImportSlots  client        HostCounts of each import slot
//   86016             64 x kSendSlots    client        SendDescriptor slots
//   102400            64 x kNotificationSlots  nicsim  Notification slots
//   135168            64 x kTimeContexts  both        TimeContext of each thread; see simulated_time.h
//   139264            kStagingBytes      both          staging area for local bytes
//
// Threads and processes
//   Each field has one writing side, but for those whose comment says otherwise. Nothing
//   that the client writes is believed: nicsim reads each value once, copies it and checks the
//   copy. Of what nicsim writes it reads back nothing but counters, which matter to the client
//   alone.
//
// What a crash at any instruction leaves behind
//   A dead client leaves a channel that nicsim unmaps. A dead nicsim leaves flags that no longer
//   change; the client learns of it from its socket, never from here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/send_descriptor.h"
#include "nicsim/wire/simulated_time.h"
#include "nicsim/wire/version.h"

namespace vmmc::wire {

inline constexpr std::uint32_t kSendSlots = 256;
inline constexpr std::uint32_t kImportSlots = 4096;
inline constexpr std::uint32_t kNotificationSlots = 512;
inline constexpr std::uint32_t kStagingBytes = 256 * 1024;

struct alignas(kCacheLineSize) ChannelHeader {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t bytes;  // size of the whole channel
  std::uint32_t send_slots;
  std::uint32_t import_slots;
  std::uint32_t staging_bytes;
  std::uint32_t notification_slots;
  std::uint32_t reserved[8];
};

// Progress of the send queue. `completed` counts descriptors that nicsim has finished: their source
// bytes are no longer needed, their bytes are in the destination's memory, and their results stand
// in the result array.
//
// In simulated time bytes are on their way for a while: `sources_free` counts descriptors whose source
// bytes are no longer needed. In real time it is not used.
struct alignas(kCacheLineSize) SendStatus {
  std::atomic<std::uint64_t> completed;
  std::atomic<std::uint64_t> sources_free;
  std::uint64_t reserved[6];
};

// nicsim stores 1 before it stops looking at this queue (and looks once more). A client that has
// published a descriptor and then exchanges a 1 for 0 must write the doorbell eventfd.
struct alignas(kCacheLineSize) Doorbell {
  std::atomic<std::uint32_t> nic_sleeps;
  std::uint32_t reserved[15];
};

// What a sleeping client wants to be woken for: bits of WakeRequest::armed.
inline constexpr std::uint32_t kWakeOnArrival = 1;     // a transfer into any of its buffers
inline constexpr std::uint32_t kWakeOnCompletion = 2;  // one of its sends has completed
inline constexpr std::uint32_t kWakeOnWatch = 4;       // bytes that reach the watched word
inline constexpr std::uint32_t kWatchedBytes = 8;      // the largest word

// A client thread adds its reason to `armed`, looks once more at what it waits for, and sleeps on
// Arrivals::count. When the reason has come about, nicsim exchanges `armed` for 0, adds 1 to
// Arrivals::count and wakes every sleeper (shared futex).
// The watch names a word by segment and offset; at most one thread of the client watches. A watch
// that is changed while nicsim reads it is harmless: its owner looks at the word after arming.
struct alignas(kCacheLineSize) WakeRequest {
  std::atomic<std::uint32_t> armed;
  std::atomic<std::uint32_t> watch_segment;
  std::atomic<std::uint64_t> watch_offset;
  std::uint32_t reserved[12];
};

// Raised by nicsim, and by the client when it wakes its own sleepers: because nicsim has gone, or
// because its exports have changed and a watch may have moved.
struct alignas(kCacheLineSize) Arrivals {
  std::atomic<std::uint32_t> count;
  std::uint32_t reserved[15];
};

// Counted by nicsim since attach; one writer, so plain stores. Order and names are the ABI.
struct alignas(kCacheLineSize) ChannelCounters {
  std::atomic<std::uint64_t> transfers_sent;  // updates of this process carried out
  std::atomic<std::uint64_t> bytes_sent;
  std::atomic<std::uint64_t> packets_sent;  // at most one page each
  std::atomic<std::uint64_t> transfers_refused;
  std::atomic<std::uint64_t> transfers_received;  // into buffers that this process exports
  std::atomic<std::uint64_t> bytes_received;
  std::atomic<std::uint64_t> inline_transfers;  // updates and fetches by local place
  std::atomic<std::uint64_t> staged_transfers;
  std::atomic<std::uint64_t> segment_transfers;
  std::atomic<std::uint64_t> memory_transfers;
  std::atomic<std::uint64_t> wakeups;            // times nicsim woke this process
  std::atomic<std::uint64_t> automatic_updates;  // part of transfers_sent
  std::atomic<std::uint64_t> fetches;            // of this process carried out
  std::atomic<std::uint64_t> bytes_fetched;
  std::atomic<std::uint64_t> atomics;             // of this process carried out
  std::atomic<std::uint64_t> notifications_sent;  // asked for by this process and queued
  std::atomic<std::uint64_t> notifications_received;
  std::atomic<std::uint64_t> notifications_discarded;  // for this process, but not accepted
  std::atomic<std::uint64_t>
      notification_stalls;                      // times this process's queue had to wait for room
  std::atomic<std::uint64_t> bytes_redirected;  // part of bytes_received
  std::atomic<std::uint64_t> host_transfers;    // part of transfers_sent: by the host executor
  std::uint64_t reserved[3];
};

// The notification queue. Notification n since attach stands in slot n % kNotificationSlots, and is
// there when `produced` is above n. nicsim reuses a slot only after `consumed` has passed it; while
// there is no room the send queues of those who notify stand still.
//
// The client sleeps on the notification pipe (a descriptor from attach): it stores 1 to
// client_waits, looks once more at `produced` and polls. nicsim, after raising `produced`, exchanges
// client_waits for 0 and, if it was 1, writes one byte to the pipe. The other way round: nicsim
// stores 1 to nic_waits and looks once more at `consumed`; a client that has raised `consumed` and
// then exchanges a 1 for 0 rings the doorbell.
struct alignas(kCacheLineSize) NotificationStatus {
  std::atomic<std::uint64_t> produced;
  std::uint64_t reserved[7];
};

struct alignas(kCacheLineSize) NotificationDemand {
  std::atomic<std::uint64_t> consumed;
  std::atomic<std::uint32_t> client_waits;
  std::atomic<std::uint32_t> nic_waits;
  std::uint64_t reserved[6];
};

// Plain data, visible through `produced`.
struct alignas(kCacheLineSize) Notification {
  std::uint64_t cookie;  // as the client gave it with the export
  std::uint64_t offset;  // bytes, of the message's first byte in the buffer
  std::uint64_t length;  // bytes
  std::uint32_t sender_node;
  std::uint32_t sender_process;
  std::uint32_t immediate;
  std::uint32_t reserved[7];
};

// State of an import, low 8 bits ImportPhase, high 24 bits the low bits of the generation.
enum class ImportPhase : std::uint8_t {
  kFree = 0,
  kGranted = 1,
  kUnexported = 2,     // the exporter took the buffer back
  kPeerDead = 3,       // the exporter ended
  kGrantedToHost = 4,  // granted, and the importer may move the bytes itself
};

// What the importer itself has moved into the buffer of an import slot since attach. nicsim adds
// the differences to the counters of both sides.
struct HostCounts {
  std::atomic<std::uint64_t> transfers;
  std::atomic<std::uint64_t>
      bytes_beyond_words;  // the sum of (length - 8), so that a word adds nothing
};

inline constexpr std::size_t kChannelBytes = 139264 + kStagingBytes;

// The channel as one structure, so that offsets are checked by the compiler and code reads
// channel->counters.
struct Channel {
  ChannelHeader header;
  SendStatus send_status;
  Doorbell doorbell;
  WakeRequest wake_request;
  Arrivals arrivals;
  ChannelCounters counters;
  NotificationStatus notification_status;
  NotificationDemand notification_demand;
  std::atomic<std::int32_t> results[kSendSlots];
  std::atomic<std::uint64_t> previous[kSendSlots];
  std::atomic<std::uint32_t> import_states[kImportSlots];
  alignas(kPageSize) HostCounts host_counts[kImportSlots];
  alignas(kPageSize) SendDescriptor send_queue[kSendSlots];
  alignas(kPageSize) Notification notifications[kNotificationSlots];
  alignas(kPageSize) TimeContext time_contexts[kTimeContexts];
  alignas(kPageSize) std::byte staging[kStagingBytes];
};

static_assert(sizeof(ChannelHeader) == 64);
static_assert(sizeof(SendStatus) == 64);
static_assert(sizeof(Doorbell) == 64);
static_assert(sizeof(WakeRequest) == 64);
static_assert(offsetof(WakeRequest, watch_segment) == 4);
static_assert(offsetof(WakeRequest, watch_offset) == 8);
static_assert(sizeof(Arrivals) == 64);
static_assert(sizeof(ChannelCounters) == 192);
static_assert(sizeof(NotificationStatus) == 64);
static_assert(sizeof(NotificationDemand) == 64);
static_assert(offsetof(NotificationDemand, client_waits) == 8);
static_assert(offsetof(NotificationDemand, nic_waits) == 12);
static_assert(sizeof(Notification) == 64);
static_assert(sizeof(HostCounts) == 16);
static_assert(offsetof(Notification, sender_node) == 24);
static_assert(offsetof(Notification, immediate) == 32);
static_assert(offsetof(Channel, send_status) == 64);
static_assert(offsetof(Channel, doorbell) == 128);
static_assert(offsetof(Channel, wake_request) == 192);
static_assert(offsetof(Channel, arrivals) == 256);
static_assert(offsetof(Channel, counters) == 320);
static_assert(offsetof(Channel, notification_status) == 512);
static_assert(offsetof(Channel, notification_demand) == 576);
static_assert(offsetof(Channel, results) == 640);
static_assert(offsetof(Channel, previous) == 1664);
static_assert(offsetof(Channel, import_states) == 3712);
static_assert(offsetof(Channel, host_counts) == 20480);
static_assert(offsetof(Channel, send_queue) == 86016);
static_assert(offsetof(Channel, notifications) == 102400);
static_assert(offsetof(SendStatus, sources_free) == 8);
static_assert(offsetof(Channel, time_contexts) == 135168);
static_assert(offsetof(Channel, staging) == 139264);
static_assert(sizeof(Channel) == kChannelBytes);
// No cache line holds what both sides write, but for the lines that are there for that: the doorbell,
// the wake request, the arrivals' count, the demand for notifications. Those change when somebody goes
// to sleep or is woken, not with each transfer.
static_assert(offsetof(Channel, results) % kCacheLineSize == 0);
static_assert(offsetof(Channel, previous) % kCacheLineSize == 0);
static_assert(offsetof(Channel, import_states) % kCacheLineSize == 0);
static_assert(sizeof(Channel::results) % kCacheLineSize == 0);
static_assert(sizeof(Channel::previous) % kCacheLineSize == 0);
static_assert(sizeof(Channel::import_states) % kCacheLineSize == 0);
static_assert(sizeof(Channel::host_counts) % kCacheLineSize == 0);
static_assert(alignof(SendDescriptor) == kCacheLineSize &&
              sizeof(SendDescriptor) == kCacheLineSize);
static_assert(alignof(Notification) == kCacheLineSize);
static_assert(alignof(Doorbell) == kCacheLineSize && alignof(WakeRequest) == kCacheLineSize);
static_assert(alignof(Arrivals) == kCacheLineSize && alignof(SendStatus) == kCacheLineSize);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic<std::int32_t>::is_always_lock_free);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint32_t make_import_state(std::uint32_t generation, ImportPhase phase) {
  return (generation << 8) | static_cast<std::uint8_t>(phase);
}
constexpr ImportPhase import_phase(std::uint32_t state) {
  return static_cast<ImportPhase>(state & 0xff);
}

}  // namespace vmmc::wire
