// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The promiscuous port of the backplane: makes frames of the packets that pass, for the rings that
// want them. A frame is the packet's header (docs/format.md) and its payload, as it was written to
// memory, or stood in the page that it lends.
//
// Threads: used by nicsim's one thread.
//
// Invariants
//   The transfer engine and the real-time channels show their packets to this port while there is a
//   ring, and only then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nicsim/frames/frame_ring.h"
#include "nicsim/machine.h"
#include "nicsim/packet_tap.h"

namespace vmmc::nicsim {

class BackplanePort final : public PacketTap {
 public:
  // Both outlive it.
  explicit BackplanePort(Machine& machine) : machine_(machine) {}

  // The packets that leave or reach `node`, or, with kAnyNode, all; until remove().
  void add(FrameRing& ring, std::uint32_t node);
  void remove(const FrameRing& ring);  // one that was never added is no matter

  // What has passed since the last time becomes visible, and wakes who sleeps.
  void publish();

  void passed(const PacketHeader& header,
              std::span<const std::span<const std::byte>> payload) override;

 private:
  struct Listener {
    FrameRing* ring;
    std::uint32_t node;
    bool changed;  // since publish()
  };

  Machine& machine_;
  std::vector<Listener> listeners_;
  std::array<std::byte, wire::kBackplaneHeaderBytes + wire::kPageSize> frame_;
};

}  // namespace vmmc::nicsim
