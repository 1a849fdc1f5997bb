// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: frames that say which they are, so that whoever gets one can tell whether it is
// whole. They have the form of packets of the backplane, whose processes are their flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "nicsim/frames/frame_source.h"
#include "nicsim/trace/packet_header.h"
#include "nicsim/wire/frame_ring.h"

namespace vmmc::nicsim::testing {

class NumberedFrames {
 public:
  static constexpr std::size_t kLeast = sizeof(PacketHeader);

  // Frame `number`, of `length` bytes, at least kLeast; its bytes stay until clear().
  Frame make(std::uint64_t number, std::uint32_t flow, std::size_t length) {
    auto& bytes = storage_.emplace_back(length);
    PacketHeader header;
    header.operation = number;
    header.length = length;
    // Both directions.
    (number % 2 == 0 ? header.from_process : header.to_process) = flow;
    std::memcpy(bytes.data(), &header, sizeof header);
    for (std::size_t i = kLeast; i < length; ++i) bytes[i] = byte_of(number, i);
    return {.time = number * 1000,
            .length = static_cast<std::uint32_t>(length),
            .link_type = wire::kBackplaneLinkType,
            .bytes = bytes};
  }
  void clear() { storage_.clear(); }

  static PacketHeader header_of(std::span<const std::byte> bytes) {
    PacketHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    return header;
  }
  static std::uint64_t number_of(std::span<const std::byte> bytes) {
    return header_of(bytes).operation;
  }
  static std::uint32_t flow_of(std::span<const std::byte> bytes) {
    return header_of(bytes).from_process + header_of(bytes).to_process;
  }
  // Whether these are the first bytes of such a frame, unchanged.
  static bool is_whole(const wire::FrameHeader& frame, std::span<const std::byte> bytes) {
    if (bytes.size() < kLeast) return false;
    const PacketHeader header = header_of(bytes);
    if (frame.time != header.operation * 1000 || frame.length != header.length) return false;
    if (((frame.flags & wire::kFrameCut) != 0) != (frame.captured < frame.length)) return false;
    for (std::size_t i = kLeast; i < bytes.size(); ++i) {
      if (bytes[i] != byte_of(header.operation, i)) return false;
    }
    return true;
  }

 private:
  static std::byte byte_of(std::uint64_t number, std::size_t at) {
    return static_cast<std::byte>(number * 7 + at);
  }

  std::vector<std::vector<std::byte>> storage_;
};

}  // namespace vmmc::nicsim::testing
