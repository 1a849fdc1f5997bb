// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The flows: both directions of a connection are one. The table has a bound: a flow that has been silent for a minute
// is forgotten, and, when the table is full, the one that has been silent for longest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "examples/intrusiondetector/packet.h"

namespace examples::intrusiondetector {

struct FlowKey {
  Endpoint low;  // the smaller one of the two
  Endpoint high;
  Protocol protocol = Protocol::kTcp;
  bool operator==(const FlowKey&) const = default;
};

struct Flow {
  struct Direction {
    std::string last;        // the last bytes of the payload, if what comes next continues it
    std::uint32_t next = 0;  // the sequence number of what comes next
  };
  FlowKey key;
  std::array<Direction, 2> directions;  // from low, from high
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;    // of payload
  std::uint64_t latest = 0;   // ns, time of its latest packet
  std::uint64_t alerted = 0;  // a bit for each content rule
};

class FlowTable {
 public:
  static constexpr std::uint64_t kSilence = 60'000'000'000;  // ns

  explicit FlowTable(std::size_t most) : most_(most) {}

  // The packet's flow, which it has been counted in; good until the next call.
  Flow& count(const Packet& packet, std::uint64_t time);
  std::size_t size() const { return flows_.size(); }
  std::uint64_t begun() const { return begun_; }  // flows in all
  std::uint64_t forgotten() const { return begun_ - size(); }

 private:
  struct Hash {
    std::size_t operator()(const FlowKey& key) const;
  };
  void forget_oldest();

  std::size_t most_;
  std::uint64_t begun_ = 0;
  std::list<Flow> flows_;  // the latest first
  std::unordered_map<FlowKey, std::list<Flow>::iterator, Hash> index_;
};

// 0: the packet comes from the key's low end, 1: from the high one.
inline std::size_t direction_of(const Packet& packet) { return packet.from < packet.to ? 0 : 1; }

}  // namespace examples::intrusiondetector
