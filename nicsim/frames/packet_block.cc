// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/packet_block.h"

#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <algorithm>

#include "nicsim/wire/frame_ring.h"

namespace vmmc::nicsim {
namespace {

constexpr std::size_t kAlignment = 8;                                  // of every header in a block
constexpr std::size_t kAddress = TPACKET_ALIGN(sizeof(tpacket3_hdr));  // sockaddr_ll, from it on
constexpr std::size_t kHeaderBytes = TPACKET3_HDRLEN;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint16_t kServiceTag = 0x88a8;  // IEEE 802.1ad

constexpr std::uint16_t kLinkTypeEthernet = 1;
constexpr std::uint16_t kLinkTypeRawIp = 101;
constexpr std::uint16_t kLinkTypeWireless = 105;
constexpr std::uint16_t kLinkTypePrism = 119;
constexpr std::uint16_t kLinkTypeRadiotap = 127;

template <typename T>
T read_once(const std::byte* at) {
  return *reinterpret_cast<const volatile T*>(at);
}

}  // namespace

std::optional<std::uint16_t> link_type_of_hardware(std::uint16_t hardware) {
  switch (hardware) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
      return kLinkTypeEthernet;
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
      return kLinkTypeRawIp;
    case ARPHRD_IEEE80211:
      return kLinkTypeWireless;
    case ARPHRD_IEEE80211_PRISM:
      return kLinkTypePrism;
    case ARPHRD_IEEE80211_RADIOTAP:
      return kLinkTypeRadiotap;
    default:
      return std::nullopt;
  }
}

PacketBlock::PacketBlock(std::span<const std::byte> block) : block_(block) {
  const std::byte* const header = block.data() + offsetof(tpacket_block_desc, hdr);
  at_ = read_once<std::uint32_t>(header + offsetof(tpacket_hdr_v1, offset_to_first_pkt));
  const auto said = read_once<std::uint32_t>(header + offsetof(tpacket_hdr_v1, num_pkts));
  left_ = std::min(said, static_cast<std::uint32_t>(block.size() / kHeaderBytes));
}

PacketBlock::Outcome PacketBlock::read(Frame& frame) {
  if (at_ % kAlignment != 0 || at_ > block_.size() || block_.size() - at_ < kHeaderBytes) {
    return Outcome::kSenseless;
  }
  const std::byte* const header = block_.data() + at_;
  const auto next = read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, tp_next_offset));
  const auto begin = read_once<std::uint16_t>(header + offsetof(tpacket3_hdr, tp_mac));
  const auto captured = read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, tp_snaplen));
  const auto length = read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, tp_len));
  const auto status = read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, tp_status));
  const std::size_t room = block_.size() - at_;
  if (begin > room || captured > room - begin) return Outcome::kSenseless;
  const auto direction =
      read_once<std::uint8_t>(header + kAddress + offsetof(sockaddr_ll, sll_pkttype));
  const auto type = link_type_of_hardware(
      read_once<std::uint16_t>(header + kAddress + offsetof(sockaddr_ll, sll_hatype)));
  const auto seconds = read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, tp_sec));
  const auto rest = read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, tp_nsec));
  frame = {.time = seconds * kSecond + rest,
           .length = std::max(length, captured),
           .link_type = type.value_or(0),
           .bytes = {header + begin, captured}};
  if (direction == PACKET_OUTGOING) frame.flags |= wire::kFrameOutbound;
  if ((status & TP_STATUS_VLAN_VALID) != 0) {
    frame.flags |= wire::kFrameVlanStripped;
    frame.vlan = static_cast<std::uint16_t>(
        read_once<std::uint32_t>(header + offsetof(tpacket3_hdr, hv1.tp_vlan_tci)));
    const auto type_of_tag =
        read_once<std::uint16_t>(header + offsetof(tpacket3_hdr, hv1.tp_vlan_tpid));
    if ((status & TP_STATUS_VLAN_TPID_VALID) != 0 && type_of_tag == kServiceTag) {
      frame.flags |= wire::kFrameVlanService;
    }
  }
  // The last one's next offset is 0, and is not used.
  if (left_ > 1 && next == 0) left_ = 1;
  at_ += next;
  return type ? Outcome::kFrame : Outcome::kUnknown;
}

std::size_t PacketBlock::take(std::span<Frame> frames) {
  std::size_t given = 0;
  while (given < frames.size() && left_ > 0) {
    const Outcome outcome = read(frames[given]);
    if (outcome == Outcome::kSenseless) {
      left_ = 0;
      break;
    }
    --left_;
    if (outcome == Outcome::kFrame) ++given;
    if (outcome == Outcome::kUnknown) ++unknown_;
  }
  return given;
}

}  // namespace vmmc::nicsim
