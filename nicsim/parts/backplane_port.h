// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What joins the network interface chips in simulated time: a mesh or a crossbar. It knows nodes and
// sizes, and nothing of what a packet is for.
//
// Invariants
//   Packets of one node to one node arrive in the order in which they were injected. None is lost, none
//   is doubled. A packet enters a node only if receiver.room() says that there is room for it.
#pragma once

#include <cstdint>

#include "nicsim/parts/event_queue.h"

namespace vmmc::nicsim::parts {

struct Parcel {
  std::uint32_t source;       // node
  std::uint32_t destination;  // node; may be the source
  std::uint32_t bytes;        // with header
  std::uint64_t content;      // whatever the sender wants to find again
};

// The side of the nodes.
class BackplaneClient {
 public:
  virtual ~BackplaneClient() = default;

  // The last byte of this node's parcel is in the backplane: it may inject the next one.
  virtual void injected(std::uint32_t node) = 0;
  // Whether `destination` can take so many bytes more; they are then kept free for the parcel, whose
  // head has come. If not, Backplane::room_freed() is called when that may have changed.
  virtual bool reserve(std::uint32_t destination, std::uint32_t bytes) = 0;
  // The last byte of a parcel has come to its destination.
  virtual void arrived(const Parcel& parcel) = 0;
};

class BackplanePort {
 public:
  virtual ~BackplanePort() = default;

  // One parcel at a time of each node: the next one only after injected().
  virtual void inject(const Parcel& parcel) = 0;
  virtual void room_freed(std::uint32_t destination) = 0;

  struct Counters {
    std::uint64_t parcels = 0;     // that have arrived
    std::uint64_t hops = 0;        // of heads, from router to router
    std::uint64_t blocked_ps = 0;  // that heads have waited for a channel or for room
  };
  virtual const Counters& counters() const = 0;
};

}  // namespace vmmc::nicsim::parts
