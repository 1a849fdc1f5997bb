// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/backplane_port.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "platform/clock.h"

namespace vmmc::nicsim {
namespace {

static_assert(sizeof(PacketHeader) == wire::kBackplaneHeaderBytes);
static_assert(kPacketLinkType == wire::kBackplaneLinkType);

}  // namespace

void BackplanePort::add(FrameRing& ring, std::uint32_t node) {
  listeners_.push_back({&ring, node, false});
  if (listeners_.size() > 1) return;
  machine_.watch_packets(true);
  machine_.instruments().show_packets_to(this);
}

void BackplanePort::remove(const FrameRing& ring) {
  const auto is_it = [&](const Listener& listener) { return listener.ring == &ring; };
  if (std::erase_if(listeners_, is_it) == 0 || !listeners_.empty()) return;
  machine_.instruments().show_packets_to(nullptr);
  machine_.watch_packets(false);
}

void BackplanePort::publish() {
  for (Listener& listener : listeners_) {
    if (!std::exchange(listener.changed, false)) continue;
    listener.ring->publish();
    listener.ring->wake();
  }
}

void BackplanePort::passed(const PacketHeader& header,
                           std::span<const std::span<const std::byte>> payload) {
  std::memcpy(frame_.data(), &header, sizeof header);
  std::size_t bytes = sizeof header;
  for (const auto& piece : payload) {
    const std::size_t length = std::min(piece.size(), frame_.size() - bytes);
    std::memcpy(frame_.data() + bytes, piece.data(), length);
    bytes += length;
  }
  const Frame frame{.time = platform::ns_since_1970(),
                    .length = static_cast<std::uint32_t>(sizeof header + header.length),
                    .link_type = wire::kBackplaneLinkType,
                    .interface = header.to_node,
                    .bytes = std::span(frame_).first(bytes)};
  const auto now = FrameRing::Clock::now();
  for (Listener& listener : listeners_) {
    if (listener.node != wire::kAnyNode && listener.node != header.from_node &&
        listener.node != header.to_node) {
      continue;
    }
    listener.ring->write({&frame, 1}, false, now);
    listener.changed = true;
  }
}

}  // namespace vmmc::nicsim
