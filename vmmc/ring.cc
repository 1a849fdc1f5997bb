// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The C interface of vmmc/ring.h.

#include "vmmc/ring.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <unistd.h>

#include <cstddef>
#include <memory>

#include "nicsim/wire/frame_ring.h"
#include "vmmc/internal/c_interface.h"
#include "vmmc/internal/rings/packet_socket.h"
#include "vmmc/internal/rings/rings.h"

namespace {

using vmmc::internal::Attachment;
using vmmc::internal::connected;
using vmmc::internal::fail;
using vmmc::internal::fail_plainly;
using vmmc::internal::null_pointer;
using vmmc::internal::RingReader;
using vmmc::wire::FrameHeader;
using vmmc::wire::FrameSourceKind;

// A frame is handed out as it is in memory.
static_assert(sizeof(vmmc_frame) == sizeof(FrameHeader));
static_assert(offsetof(vmmc_frame, time) == offsetof(FrameHeader, time));
static_assert(offsetof(vmmc_frame, captured) == offsetof(FrameHeader, captured));
static_assert(offsetof(vmmc_frame, length) == offsetof(FrameHeader, length));
static_assert(offsetof(vmmc_frame, next) == offsetof(FrameHeader, next));
static_assert(offsetof(vmmc_frame, dropped) == offsetof(FrameHeader, dropped));
static_assert(offsetof(vmmc_frame, link_type) == offsetof(FrameHeader, link_type));
static_assert(offsetof(vmmc_frame, flags) == offsetof(FrameHeader, flags));
static_assert(offsetof(vmmc_frame, interface_) == offsetof(FrameHeader, interface));
static_assert(offsetof(vmmc_frame, vlan) == offsetof(FrameHeader, vlan));
static_assert(VMMC_FRAME_CUT == vmmc::wire::kFrameCut);
static_assert(VMMC_FRAME_OUTBOUND == vmmc::wire::kFrameOutbound);
static_assert(VMMC_FRAME_VLAN_STRIPPED == vmmc::wire::kFrameVlanStripped);
static_assert(VMMC_FRAME_VLAN_SERVICE == vmmc::wire::kFrameVlanService);
static_assert(VMMC_RING_MIRRORED == static_cast<int>(vmmc::wire::RingSharing::kMirrored));
static_assert(VMMC_RING_BY_FLOW == static_cast<int>(vmmc::wire::RingSpread::kFlows));
static_assert(VMMC_RING_RECORDED_SPEED == static_cast<int>(vmmc::wire::RingPace::kRecorded));

constexpr vmmc_ring_options kDefaults = VMMC_RING_DEFAULTS;

struct Source {
  FrameSourceKind kind;
  std::uint32_t node;
  int descriptor;
};

int refuse_in_simulated_time() {
  return fail(VMMC_ERR_NOT_IN_SIMULATED_TIME, "receive rings work in real time only");
}

bool is_choice(int value, int last) { return value >= 0 && value <= last; }

int check_options(const vmmc_ring_options& options) {
  if (is_choice(options.sharing, VMMC_RING_MIRRORED) &&
      is_choice(options.spread, VMMC_RING_BY_FLOW) &&
      is_choice(options.pace, VMMC_RING_RECORDED_SPEED)) {
    return VMMC_OK;
  }
  return fail(VMMC_ERR_INVALID_ARGUMENT, "sharing %d, spread %d or pace %d does not exist",
              options.sharing, options.spread, options.pace);
}

int open_source(Attachment& held, const Source& source, std::uint32_t id,
                const vmmc_ring_options& options, vmmc_ring** ring) {
  vmmc::wire::OpenRingRequest request{};
  request.ring = id;
  request.source = source.kind;
  request.node = source.node;
  request.sharing = static_cast<vmmc::wire::RingSharing>(options.sharing);
  request.spread = static_cast<vmmc::wire::RingSpread>(options.spread);
  request.pace = static_cast<vmmc::wire::RingPace>(options.pace);
  request.blocks = options.blocks;
  request.block_bytes = options.block_bytes;
  request.snap_length = options.snap_length;
  request.user = options.user == VMMC_RING_SAME_USER ? ::geteuid() : options.user;
  request.from_node = options.from_node;
  request.from_process = options.from_process;
  request.block_timeout = options.block_timeout;
  request.consumers = options.consumers;
  return held.rings().open(request, source.descriptor, ring);
}

// `find_source` makes the source, or fails.
template <typename FindSource>
int open_ring(std::uint32_t id, const vmmc_ring_options* options, vmmc_ring** ring,
              FindSource find_source) {
  return connected([&](Attachment& held) {
    if (ring == nullptr) return null_pointer("ring");
    if (held.rings().simulated()) return refuse_in_simulated_time();
    const vmmc_ring_options& wanted = options == nullptr ? kDefaults : *options;
    if (const int status = check_options(wanted); status != VMMC_OK) return status;
    Source source{};
    if (const int status = find_source(source); status != VMMC_OK) return status;
    return open_source(held, source, id, wanted, ring);
  });
}

// The sentence of what a reader says. VMMC_PENDING and VMMC_END are no failures.
[[gnu::noinline]] int tell(const RingReader& reader, int status) {
  if (status >= 0) return status;
  if (status != VMMC_ERR_MALFORMED) return fail_plainly(status);
  return fail(status, "the memory of the ring makes no sense: %s", reader.nonsense());
}

}  // namespace

extern "C" {

int vmmc_ring_open_backplane(uint32_t node, uint32_t id, const vmmc_ring_options* options,
                             vmmc_ring** ring) {
  return open_ring(id, options, ring, [&](Source& source) {
    source = {FrameSourceKind::kBackplane, node, -1};
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_ring_open_file(int fd, uint32_t id, const vmmc_ring_options* options, vmmc_ring** ring) {
  return open_ring(id, options, ring, [&](Source& source) {
    if (::fcntl(fd, F_GETFD) < 0) {
      return fail(VMMC_ERR_BAD_FRAME_SOURCE, "descriptor %d is not open", fd);
    }
    source = {FrameSourceKind::kCaptureFile, VMMC_ANY, fd};
    return static_cast<int>(VMMC_OK);
  });
}

int vmmc_ring_open_interface(const char* name, const void* filter, size_t instructions, uint32_t id,
                             const vmmc_ring_options* options, vmmc_ring** ring) {
  vmmc::platform::FileDescriptor socket;
  return open_ring(id, options, ring, [&](Source& source) {
    if (name == nullptr) return null_pointer("name");
    const auto* first = static_cast<const sock_filter*>(filter);
    const int status = vmmc::internal::open_packet_socket(
        name, {first, first == nullptr ? 0 : instructions}, &socket);
    source = {FrameSourceKind::kInterface, VMMC_ANY, socket.get()};
    return status;
  });
}

int vmmc_ring_join(vmmc_identity opener, uint32_t id, vmmc_ring** ring) {
  return connected([&](Attachment& held) {
    if (ring == nullptr) return null_pointer("ring");
    if (held.rings().simulated()) return refuse_in_simulated_time();
    return held.rings().join(opener, id, ring);
  });
}

int vmmc_ring_close(vmmc_ring* ring) {
  if (ring == nullptr) return null_pointer("ring");
  const std::unique_ptr<vmmc_ring> ended(ring);
  vmmc::internal::Rings* const owner = ring->parts.owner;
  if (owner == nullptr) return VMMC_OK;  // it went with vmmc_finalize, or is the parent's
  return vmmc::internal::guarded([&] { return owner->close(*ring); });
}

int vmmc_ring_next(vmmc_ring* ring, const vmmc_frame** frame, uint64_t timeout) {
  if (ring == nullptr || frame == nullptr) [[unlikely]]
    return null_pointer("ring or frame");
  const int status = ring->reader.next(reinterpret_cast<const FrameHeader**>(frame), timeout);
  if (status == VMMC_OK) [[likely]]
    return VMMC_OK;
  return tell(ring->reader, status);
}

int vmmc_ring_again(const vmmc_ring* ring) {
  return ring != nullptr && ring->reader.again() ? 1 : 0;
}

int vmmc_ring_take_block(vmmc_ring* ring, vmmc_block* block, uint64_t timeout) {
  if (ring == nullptr || block == nullptr) return null_pointer("ring or block");
  RingReader::Taken taken{};
  const int status = ring->reader.take(&taken, timeout);
  if (status != VMMC_OK) return tell(ring->reader, status);
  *block = {.first = reinterpret_cast<const vmmc_frame*>(taken.first),
            .frames = taken.frames,
            .index = taken.index,
            .again = taken.again ? 1 : 0,
            .end = taken.end};
  return VMMC_OK;
}

int vmmc_ring_return_block(vmmc_ring* ring, const vmmc_block* block) {
  if (ring == nullptr || block == nullptr) return null_pointer("ring or block");
  return tell(ring->reader, ring->reader.give_back_part(block->index));
}

const vmmc_frame* vmmc_block_next(const vmmc_block* block, const vmmc_frame* frame) {
  const auto* end = static_cast<const std::byte*>(block->end);
  const auto* here = reinterpret_cast<const std::byte*>(frame);
  const std::byte* const next = here + RingReader::bytes_of_frame(here, end);
  // Past a frame whose lengths have been damaged since the block was taken there is none.
  return next == here || next == end ? nullptr : reinterpret_cast<const vmmc_frame*>(next);
}

int vmmc_ring_descriptor(const vmmc_ring* ring, int* descriptor) {
  if (ring == nullptr || descriptor == nullptr) return null_pointer("ring or descriptor");
  if (!ring->parts.pipe.valid()) return tell(ring->reader, ring->reader.stopped());
  *descriptor = ring->parts.pipe.get();
  return VMMC_OK;
}

int vmmc_ring_arm(vmmc_ring* ring) {
  if (ring == nullptr) return null_pointer("ring");
  return tell(ring->reader, ring->reader.arm());
}

int vmmc_ring_get_counters(const vmmc_ring* ring, vmmc_ring_counters* counters) {
  if (ring == nullptr || counters == nullptr) return null_pointer("ring or counters");
  if (ring->parts.port_memory.data() == nullptr) {
    return tell(ring->reader, ring->reader.stopped());
  }
  const vmmc::wire::RingCounters& counted = ring->port().counters;
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  *counters = {.delivered = read(counted.delivered),
               .delivered_bytes = read(counted.delivered_bytes),
               .dropped = read(counted.dropped),
               .dropped_bytes = read(counted.dropped_bytes),
               .source_dropped = read(counted.source_dropped),
               .wakeups = read(counted.wakeups),
               .waits = ring->reader.sleeps()};
  return VMMC_OK;
}

int vmmc_ring_link_type(const vmmc_ring* ring, uint32_t* link_type) {
  if (ring == nullptr || link_type == nullptr) return null_pointer("ring or link_type");
  *link_type = ring->parts.link_type;
  return VMMC_OK;
}

}  // extern "C"
