// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ideal backplane, to compare the mesh with: every node has a channel of its own to every other
// node and to itself. Parcels never meet on the way, only at their destination, which takes one at a
// time.
//
// A parcel's head stands at its destination hop_ns after its injection. It enters when the destination
// is not taking another parcel and has room for the whole of it; those who wait enter in the order in
// which they came to stand there. The crossbar has no buffers: the tail leaves the source hop_ns before
// it arrives, but not before the head has entered.
// Alone, a parcel arrives hop_ns and the time of its bytes at link_mb_per_s after its injection.
//
// Memory: so many bytes for each node, and for each parcel under way: a few of each node at most.
//
// Threads: one. Callbacks may call inject() and room_freed(), except that reserve() may not.
// `parameters`: link_mb_per_s 0: bytes take no time. buffer_bytes is not used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/backplane_port.h"
#include "nicsim/parts/event_queue.h"

namespace vmmc::nicsim::parts {

class Crossbar final : public BackplanePort {
 public:
  // The client may be under construction.
  Crossbar(EventQueue& queue, const model::BackplaneParameters& parameters, std::uint32_t nodes,
           BackplaneClient& client);

  void inject(const Parcel& parcel) override;
  void room_freed(std::uint32_t destination) override { serve(destination); }
  const Counters& counters() const override { return counters_; }

  // Of memory that it has allocated.
  std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Node {
    bool injects = false;
    bool takes = false;                   // a parcel's bytes
    std::uint32_t first_waiting = kNone;  // parcels whose heads stand here
    std::uint32_t last_waiting = kNone;
  };

  struct UnderWay {
    Parcel parcel;
    Time arrived;        // the head
    std::uint32_t next;  // in a node's list, or in the pool
  };

  std::uint32_t keep(const Parcel& parcel);
  void head_arrives(std::uint64_t index);
  void serve(std::uint32_t node);
  void has_left(std::uint64_t node);
  void has_arrived(std::uint64_t index);

  EventQueue& queue_;
  BackplaneClient& client_;
  const Time hop_;
  const double mb_per_s_;
  std::vector<Node> nodes_;
  std::vector<UnderWay> under_way_;
  std::uint32_t unused_ = kNone;  // of under_way_
  Counters counters_;
};

}  // namespace vmmc::nicsim::parts
