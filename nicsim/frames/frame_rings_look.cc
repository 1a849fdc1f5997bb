// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// FrameRings: what observers see. Nothing of it is read from memory that clients can write to.

#include "nicsim/frames/frame_rings.h"
#include "nicsim/frames/open_ring.h"

namespace vmmc::nicsim {

std::vector<SeenRing> FrameRings::look() const {
  std::vector<SeenRing> seen;
  for (const auto& ring : rings_) {
    const FrameRing& frames = *ring->frames;
    seen.push_back({.opener = ring->opener,
                    .id = ring->id,
                    .source = ring->request.source,
                    .node = ring->request.node,
                    .sharing = ring->request.sharing,
                    .spread = ring->request.spread,
                    .blocks = ring->request.blocks,
                    .block_bytes = ring->request.block_bytes,
                    .free_blocks = frames.free_blocks(),
                    .begun = ring->begun,
                    .ended = frames.ended(),
                    .status = frames.status(),
                    .consumers = {}});
    for (const auto& [number, port] : ports_) {
      if (port.ring != ring.get()) continue;
      const RingPort& its = frames.port(port.consumer);
      seen.back().consumers.push_back({.process = port.process,
                                       .port = number,
                                       .offered = its.offered(),
                                       .returned = its.offered() - its.held(),
                                       .counts = its.counts(),
                                       .source_dropped = its.source_dropped(),
                                       .wakeups = its.wakeups()});
    }
  }
  return seen;
}

}  // namespace vmmc::nicsim
