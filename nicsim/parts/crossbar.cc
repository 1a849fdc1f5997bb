// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/parts/crossbar.h"

#include <algorithm>
#include <cassert>

namespace vmmc::nicsim::parts {

Crossbar::Crossbar(EventQueue& queue, const model::BackplaneParameters& parameters,
                   std::uint32_t nodes, BackplaneClient& client)
    : queue_(queue),
      client_(client),
      hop_(from_ns(parameters.hop_ns)),
      mb_per_s_(parameters.link_mb_per_s),
      nodes_(nodes) {}

std::size_t Crossbar::bytes() const {
  return nodes_.capacity() * sizeof(Node) + under_way_.capacity() * sizeof(UnderWay);
}

std::uint32_t Crossbar::keep(const Parcel& parcel) {
  std::uint32_t index = unused_;
  if (index == kNone) {
    index = static_cast<std::uint32_t>(under_way_.size());
    under_way_.emplace_back();
  } else {
    unused_ = under_way_[index].next;
  }
  under_way_[index] = {parcel, 0, kNone};
  return index;
}

void Crossbar::inject(const Parcel& parcel) {
  assert(std::max(parcel.source, parcel.destination) < nodes_.size());
  assert(!nodes_[parcel.source].injects);
  nodes_[parcel.source].injects = true;
  queue_.after<&Crossbar::head_arrives>(hop_, *this, keep(parcel));
}

void Crossbar::head_arrives(std::uint64_t argument) {
  const auto index = static_cast<std::uint32_t>(argument);
  UnderWay& mine = under_way_[index];
  mine.arrived = queue_.now();
  ++counters_.hops;
  Node& node = nodes_[mine.parcel.destination];
  if (node.first_waiting != kNone) {
    under_way_[node.last_waiting].next = index;
    node.last_waiting = index;
    return;
  }
  node.first_waiting = node.last_waiting = index;
  serve(mine.parcel.destination);
}

// Lets the first who waits enter, if possible.
void Crossbar::serve(std::uint32_t destination) {
  Node& node = nodes_[destination];
  const std::uint32_t index = node.first_waiting;
  if (node.takes || index == kNone) return;
  UnderWay& mine = under_way_[index];
  if (!client_.reserve(destination, mine.parcel.bytes)) return;
  node.takes = true;
  node.first_waiting = mine.next;
  mine.next = kNone;
  counters_.blocked_ps += queue_.now() - mine.arrived;
  const Time duration = time_of_bytes(mine.parcel.bytes, mb_per_s_);
  queue_.after<&Crossbar::has_left>(std::max(duration, hop_) - hop_, *this, mine.parcel.source);
  queue_.after<&Crossbar::has_arrived>(duration, *this, index);
}

void Crossbar::has_left(std::uint64_t node) {
  nodes_[node].injects = false;
  client_.injected(static_cast<std::uint32_t>(node));
}

void Crossbar::has_arrived(std::uint64_t argument) {
  const auto index = static_cast<std::uint32_t>(argument);
  const Parcel parcel = under_way_[index].parcel;
  under_way_[index].next = unused_;
  unused_ = index;
  nodes_[parcel.destination].takes = false;
  ++counters_.parcels;
  client_.arrived(parcel);
  serve(parcel.destination);
}

}  // namespace vmmc::nicsim::parts
