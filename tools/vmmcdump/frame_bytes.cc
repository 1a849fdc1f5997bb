// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/frame_bytes.h"

#include <algorithm>

namespace vmmc::dump {
namespace {

constexpr std::uint16_t kEthernet = 1;
constexpr std::size_t kTagAt = 12;  // behind the two addresses

}  // namespace

WholeFrame FrameBytes::of(const vmmc_frame& frame) {
  const std::span bytes(reinterpret_cast<const std::byte*>(vmmc_frame_data(&frame)),
                        frame.captured);
  WholeFrame whole{frame.time, frame.length, frame.link_type, bytes};
  if ((frame.flags & VMMC_FRAME_VLAN_STRIPPED) == 0) return whole;
  if (frame.link_type != kEthernet || bytes.size() < kTagAt) return whole;
  const bool service = (frame.flags & VMMC_FRAME_VLAN_SERVICE) != 0;
  const std::byte tag[kTagBytes] = {std::byte{service ? std::uint8_t{0x88} : std::uint8_t{0x81}},
                                    std::byte{service ? std::uint8_t{0xa8} : std::uint8_t{0}},
                                    static_cast<std::byte>(frame.vlan >> 8),
                                    static_cast<std::byte>(frame.vlan)};
  tagged_.assign(bytes.begin(), bytes.begin() + kTagAt);
  tagged_.insert(tagged_.end(), std::begin(tag), std::end(tag));
  tagged_.insert(tagged_.end(), bytes.begin() + kTagAt, bytes.end());
  whole.bytes = tagged_;
  whole.length += kTagBytes;
  return whole;
}

}  // namespace vmmc::dump
