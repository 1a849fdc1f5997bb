// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: requests about rings, and consumers of what they are answered with, each on
// mappings of its own.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <memory>
#include <utility>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/frames/testing/ring_consumer.h"

namespace vmmc::nicsim::testing {

// A port as a client has it.
class RingClient {
 public:
  explicit RingClient(RingAnswer answer)
      : number(answer.reply.port), pipe_(std::move(answer.port.pipe)) {
    REQUIRE(answer.reply.header.status == wire::Status::kOk);
    bytes_ = answer.reply.block_memory_bytes;
    port_ = std::move(
        platform::SharedMapping::map(answer.port.memory.get(), wire::kRingPortBytes).value());
    blocks_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, answer.blocks, 0);
    REQUIRE(blocks_ != MAP_FAILED);
    consumer = std::make_unique<RingConsumer>(*reinterpret_cast<wire::RingPort*>(port_.data()),
                                              static_cast<std::byte*>(blocks_));
  }
  ~RingClient() {
    if (blocks_ != nullptr) ::munmap(blocks_, bytes_);
  }
  RingClient(RingClient&& other) noexcept
      : number(other.number),
        consumer(std::move(other.consumer)),
        pipe_(std::move(other.pipe_)),
        port_(std::move(other.port_)),
        blocks_(std::exchange(other.blocks_, nullptr)),
        bytes_(other.bytes_) {}

  int pipe() const { return pipe_.get(); }

  std::uint32_t number;
  std::unique_ptr<RingConsumer> consumer;

 private:
  platform::FileDescriptor pipe_;
  platform::SharedMapping port_;
  void* blocks_ = nullptr;
  std::size_t bytes_ = 0;
};

inline wire::OpenRingRequest open_request(std::uint32_t id, wire::FrameSourceKind source) {
  wire::OpenRingRequest request{};
  request.ring = id;
  request.source = source;
  request.node = wire::kAnyNode;
  request.blocks = 4;
  request.block_bytes = 2 * wire::kPageSize;
  request.snap_length = 4200;
  request.user = request.from_node = request.from_process = 0xffffffff;
  return request;
}

// Something that came with a request.
inline platform::FileDescriptor some_descriptor() {
  return platform::FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace vmmc::nicsim::testing
