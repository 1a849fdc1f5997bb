// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/rings/rings.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "vmmc/internal/error.h"

using vmmc::internal::RingMapping;

vmmc_ring::vmmc_ring(Parts of)
    : parts(std::move(of)),
      reader({.port = reinterpret_cast<vmmc::wire::RingPort*>(parts.port_memory.data()),
              .blocks = parts.blocks.data(),
              .count = parts.block_count,
              .block_bytes = parts.block_bytes},
             parts.pipe.get(), *this) {}

bool vmmc_ring::gone() const { return parts.waiter->nicsim_gone(); }

void vmmc_ring::ring_doorbell() {
  const int saved = errno;
  const std::uint64_t one = 1;
  (void)!::write(parts.doorbell, &one, sizeof one);
  errno = saved;
}

void vmmc_ring::end(int status) {
  reader.stop(status);
  parts.owner = nullptr;
  parts.pipe.reset();
  parts.port_memory = RingMapping();
  parts.blocks = RingMapping();
}

void vmmc_ring::abandon_in_child() {
  parts.port_memory.forget();
  parts.blocks.forget();
  end(VMMC_ERR_FORKED);
}

namespace vmmc::internal {
namespace {

// What the port says of itself, read once.
struct Geometry {
  std::uint32_t blocks;
  std::uint32_t block_bytes;
  bool mirrored;
};

bool read_geometry(const std::byte* memory, std::uint64_t block_memory_bytes, Geometry* geometry) {
  const wire::RingPortHeader header = reinterpret_cast<const wire::RingPort*>(memory)->header;
  *geometry = {header.blocks, header.block_bytes, header.mirrored != 0};
  return header.magic == wire::kMagic && header.version == wire::kVersion &&
         header.blocks >= wire::kMinRingBlocks && header.blocks <= wire::kMaxRingBlocks &&
         header.block_bytes > 0 && header.block_bytes <= wire::kMaxBlockBytes &&
         header.block_bytes % wire::kPageSize == 0 &&
         std::uint64_t{header.blocks} * header.block_bytes == block_memory_bytes &&
         block_memory_bytes <= wire::kMaxRingBytes;
}

}  // namespace

int Rings::open(wire::OpenRingRequest& request, int descriptor, vmmc_ring** ring) {
  ControlConnection::Reply reply;
  const int status =
      connection_.call(wire::MessageType::kOpenRing, request, &reply, sizeof request, descriptor);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  if (reply.status() != wire::Status::kOk) {
    return fail_refused(reply.status(), "ring %u of %u blocks of %u bytes", request.ring,
                        request.blocks, request.block_bytes);
  }
  return adopt(reply, ring);
}

int Rings::join(vmmc_identity opener, std::uint32_t id, vmmc_ring** ring) {
  wire::JoinRingRequest request{};
  request.node = opener.node;
  request.process = opener.process;
  request.ring = id;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kJoinRing, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK) return status;
  if (reply.status() != wire::Status::kOk) {
    return fail_refused(reply.status(), "joining ring %u of process (%u, %u)", id, opener.node,
                        opener.process);
  }
  return adopt(reply, ring);
}

// A ring that cannot be used is closed again.
int Rings::adopt(ControlConnection::Reply& reply, vmmc_ring** ring) {
  int status = VMMC_OK;
  try {
    status = map(reply, ring);
  } catch (const std::bad_alloc&) {
    status = fail(VMMC_ERR_OUT_OF_MEMORY, "the heap is exhausted");
  }
  if (status == VMMC_OK) return VMMC_OK;
  const std::string why = last_error();
  (void)tell_closed(reply.as<wire::RingReply>().port);
  return fail(status, "%s", why.c_str());
}

int Rings::map(ControlConnection::Reply& reply, vmmc_ring** ring) {
  const auto granted = reply.as<wire::RingReply>();
  const platform::FileDescriptor blocks = reply.take_descriptor(0);
  const platform::FileDescriptor port = reply.take_descriptor(1);
  platform::FileDescriptor pipe = reply.take_descriptor(2);
  if (!blocks.valid() || !port.valid() || !pipe.valid()) {
    return fail_system("cannot receive the memory of a ring", {"recvmsg", EMFILE});
  }
  if (::fcntl(pipe.get(), F_SETFL, O_NONBLOCK) != 0) {
    return fail_system("cannot use the pipe of a ring", platform::last_system_error("fcntl"));
  }
  auto port_memory = RingMapping::map(port.get(), wire::kRingPortBytes, true);
  if (!port_memory.ok()) return fail_system("cannot map a ring's port", port_memory.error());
  Geometry geometry{};
  if (!read_geometry(port_memory.value().data(), granted.block_memory_bytes, &geometry)) {
    return fail(VMMC_ERR_MALFORMED, "the port of the ring makes no sense");
  }
  auto block_memory =
      RingMapping::map(blocks.get(), granted.block_memory_bytes, !geometry.mirrored);
  if (!block_memory.ok()) return fail_system("cannot map a ring's blocks", block_memory.error());
  auto made =
      std::make_unique<vmmc_ring>(vmmc_ring::Parts{.owner = this,
                                                   .waiter = &waiter_,
                                                   .doorbell = doorbell_,
                                                   .port = granted.port,
                                                   .link_type = granted.link_type,
                                                   .pipe = std::move(pipe),
                                                   .port_memory = std::move(port_memory.value()),
                                                   .blocks = std::move(block_memory.value()),
                                                   .block_count = geometry.blocks,
                                                   .block_bytes = geometry.block_bytes});
  const std::lock_guard lock(mutex_);
  open_.insert(made.get());
  *ring = made.release();
  return VMMC_OK;
}

int Rings::tell_closed(std::uint32_t port) {
  wire::CloseRingRequest request{};
  request.port = port;
  ControlConnection::Reply reply;
  const int status = connection_.call(wire::MessageType::kCloseRing, request, &reply);
  if (status == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
  if (status != VMMC_OK || reply.status() == wire::Status::kOk) return status;
  return fail_refused(reply.status(), "closing a ring");
}

int Rings::close(vmmc_ring& ring) {
  {
    const std::lock_guard lock(mutex_);
    open_.erase(&ring);
  }
  const std::uint32_t port = ring.parts.port;
  ring.end(VMMC_ERR_BAD_HANDLE);  // first: nicsim may give the memory to others once it knows
  return tell_closed(port);
}

void Rings::close_all() {
  const std::lock_guard lock(mutex_);
  for (vmmc_ring* ring : open_) {
    const std::uint32_t port = ring->parts.port;
    ring->end(VMMC_ERR_NOT_ATTACHED);
    (void)tell_closed(port);
  }
  open_.clear();
}

void Rings::abandon_in_child() {
  for (vmmc_ring* ring : open_) ring->abandon_in_child();
}

}  // namespace vmmc::internal
