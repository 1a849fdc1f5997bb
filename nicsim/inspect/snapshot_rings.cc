// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The receive rings.

#include <algorithm>
#include <tuple>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/inspect/snapshot_parts.h"
#include "nicsim/status_name.h"

namespace vmmc::nicsim::inspect {
namespace {

namespace json = boost::json;

json::string_view source_name(wire::FrameSourceKind source) {
  switch (source) {
    case wire::FrameSourceKind::kBackplane:
      return "backplane";
    case wire::FrameSourceKind::kCaptureFile:
      return "file";
    default:
      return "interface";
  }
}

json::string_view state_name(const SeenRing& ring) {
  if (ring.ended) return "ended";
  return ring.begun ? "live" : "waiting";
}

json::array consumers(const SeenRing& ring, const Storage& storage) {
  json::array result(storage);
  for (const SeenRing::Consumer& consumer : ring.consumers) {
    json::object entry = identity(*consumer.process, storage);
    entry["port"] = consumer.port;
    entry["offered"] = consumer.offered;
    entry["returned"] = consumer.returned;
    entry["delivered"] = consumer.counts.delivered;
    entry["delivered_bytes"] = consumer.counts.delivered_bytes;
    entry["dropped"] = consumer.counts.dropped;
    entry["dropped_bytes"] = consumer.counts.dropped_bytes;
    entry["source_dropped"] = consumer.source_dropped;
    entry["wakeups"] = consumer.wakeups;
    result.push_back(std::move(entry));
  }
  return result;
}

// Those whose opener has left come last.
bool comes_before(const SeenRing& left, const SeenRing& right) {
  const auto key = [](const SeenRing& ring) {
    return ring.opener == nullptr
               ? std::tuple(true, std::uint32_t{0}, std::uint32_t{0}, std::uint32_t{0})
               : std::tuple(false, ring.opener->node, ring.opener->id, ring.id);
  };
  return key(left) < key(right);
}

}  // namespace

json::array rings(const FrameRings* rings, const Storage& storage) {
  json::array result(storage);
  if (rings == nullptr) return result;
  std::vector<SeenRing> seen = rings->look();
  std::stable_sort(seen.begin(), seen.end(), comes_before);
  for (const SeenRing& ring : seen) {
    const bool one_node =
        ring.source == wire::FrameSourceKind::kBackplane && ring.node != wire::kAnyNode;
    json::object entry(storage);
    entry["opener"] = identity_or_null(ring.opener, storage);
    entry["ring"] = ring.id;
    entry["source"] = source_name(ring.source);
    entry["of_node"] = one_node ? json::value(ring.node, storage) : json::value(nullptr, storage);
    entry["sharing"] = ring.sharing == wire::RingSharing::kMirrored ? "mirrored" : "exclusive";
    entry["spread"] = ring.spread == wire::RingSpread::kFlows ? "flow" : "block";
    entry["blocks"] = ring.blocks;
    entry["block_bytes"] = ring.block_bytes;
    entry["free_blocks"] = ring.free_blocks;
    entry["state"] = state_name(ring);
    entry["status"] = status_name(ring.status);
    entry["consumers"] = consumers(ring, storage);
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace vmmc::nicsim::inspect
