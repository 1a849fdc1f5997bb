// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a real-time channel: the four parts of nicsim/wire/real_time_channel.h, and the
// bell, made, allocated, sealed, mapped and touched before anybody has them.
//
// Read-only for real
//   The verdict is sealed against any further writable mapping (F_SEAL_FUTURE_WRITE) once nicsim
//   has its own: nobody else can ever store there. The other parts have a writer among the clients,
//   who maps them later, so the kernel has no seal for them: their readers get a descriptor that
//   was opened anew for reading, and the file's mode allows its owner to read and nobody else
//   anything, so that opening it through /proc for writing is refused. A client that runs as root,
//   or as nicsim's own user and changes the mode back, gets around this, as it could by tracing the
//   other process.
//
// The bell is a pipe, not an eventfd: whether a write waits belongs to the open file, which would
// be shared with the clients, who could have nicsim wait for ever. nicsim keeps both ends as pipe2
// made them, and shares neither: the receiver and the sender have one open file each, opened anew
// for reading and writing. So the receiver can ring for itself when nicsim has died, and nobody who
// rings is the last to have the pipe open and gets SIGPIPE for it: a ring is one system call. A
// sender that takes rings out again leaves its receiver asleep, as one that sends nothing does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/real_time_channel.h"
#include "platform/file_descriptor.h"
#include "platform/result.h"
#include "platform/shared_memory.h"

namespace vmmc::nicsim::real_time {

struct ChannelShape {
  std::uint32_t depth;
  std::uint32_t buffer_bytes;  // 0: every datagram fits a page

  static ChannelShape of(std::uint32_t depth, std::uint32_t longest);
  std::uint64_t source_bytes() const {
    return wire::kSourcePagesOffset + std::uint64_t{depth} * (wire::kPageSize + buffer_bytes);
  }
  std::uint64_t arrival_bytes() const {
    return wire::kArrivalBuffersOffset + std::uint64_t{depth} * buffer_bytes;
  }
  std::uint64_t bytes() const {
    return source_bytes() + arrival_bytes() + sizeof(wire::ChannelDemand) +
           sizeof(wire::ChannelVerdict);
  }
};

// A part: its descriptor and nicsim's mapping of it.
struct ChannelPart {
  platform::FileDescriptor file;
  platform::SharedMapping mapping;

  platform::FileDescriptor read_only() const;  // not valid: there are no descriptors left
};

class ChannelMemory {
 public:
  static platform::Result<ChannelMemory> make(const ChannelShape& shape);

  const wire::ChannelSource& source() const {
    return *reinterpret_cast<const wire::ChannelSource*>(source_part.mapping.data());
  }
  wire::ChannelArrival& arrival() const {
    return *reinterpret_cast<wire::ChannelArrival*>(arrival_part.mapping.data());
  }
  const wire::ChannelDemand& demand() const {
    return *reinterpret_cast<const wire::ChannelDemand*>(demand_part.mapping.data());
  }
  wire::ChannelVerdict& verdict() const {
    return *reinterpret_cast<wire::ChannelVerdict*>(verdict_part.mapping.data());
  }
  // `index` is below the depth.
  const std::byte* source_page(std::uint32_t index) const {
    return source_part.mapping.data() + wire::kSourcePagesOffset +
           std::size_t{index} * wire::kPageSize;
  }
  // `index` is below the depth, and there are buffers.
  const std::byte* source_buffer(std::uint32_t index) const {
    return source_part.mapping.data() + wire::kSourcePagesOffset +
           std::size_t{shape.depth} * wire::kPageSize + std::size_t{index} * shape.buffer_bytes;
  }
  std::byte* arrival_buffer(std::uint32_t index) const {
    return arrival_part.mapping.data() + wire::kArrivalBuffersOffset +
           std::size_t{index} * shape.buffer_bytes;
  }

  void ring() const;  // never waits; what finds the bell full has been heard already
  // Rings if the receiver has said that it sleeps. After what it waits for has been stored.
  void ring_if_asleep() const;
  // An open file of the bell for one of the clients. Not valid: there are no descriptors left.
  platform::FileDescriptor bell_for_client() const;

  ChannelShape shape{};
  ChannelPart source_part;
  ChannelPart arrival_part;
  ChannelPart demand_part;
  ChannelPart verdict_part;
  platform::FileDescriptor bell_heard;  // the reading end: nicsim's own, never read

 private:
  platform::FileDescriptor bell_;
};

}  // namespace vmmc::nicsim::real_time
