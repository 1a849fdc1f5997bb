// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who sends to whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nicsim/sim/traffic_random.h"

namespace vmmc::nicsim::sim {

enum class TrafficPattern : std::uint8_t {
  kUniform,           // any other node, at random
  kTranspose,         // from row r, column c to row c, column r; a square
  kBitReversal,       // the bits of the node's number in reverse; their count is a power of two
  kComplement,        // from node n to the last node but n
  kNearestNeighbour,  // one of the two to four next to it, at random
  kHotSpot,           // one node with a given probability, otherwise as uniform
  kAllToAll,          // each other node in turn, beginning with the next one
};

// "uniform", "transpose", "bit-reversal", "complement", "nearest-neighbour", "hot-spot", "all-to-all".
std::string_view name_of(TrafficPattern pattern);
std::optional<TrafficPattern> pattern_named(std::string_view name);
// All of them, with commas.
std::string pattern_names();

struct HotSpot {
  std::uint32_t node = 0;
  double share = 0.1;  // of the parcels of every node
};

// One line, without a full stop, if the pattern cannot be had in a machine of this shape.
std::optional<std::string> problem_of(TrafficPattern pattern, std::uint32_t rows,
                                      std::uint32_t columns, HotSpot hot_spot);

// A machine of one node sends to itself.
class TrafficDestinations {
 public:
  TrafficDestinations(TrafficPattern pattern, std::uint32_t rows, std::uint32_t columns,
                      HotSpot hot_spot)
      : pattern_(pattern), rows_(rows), columns_(columns), hot_spot_(hot_spot) {}

  // Of the node's parcel of this number, from 0.
  std::uint32_t next(std::uint32_t node, std::uint64_t number, TrafficRandom& random) const;

 private:
  std::uint32_t any_other(std::uint32_t node, TrafficRandom& random) const;
  std::uint32_t neighbour(std::uint32_t node, TrafficRandom& random) const;
  std::uint32_t reversed(std::uint32_t node) const;

  const TrafficPattern pattern_;
  const std::uint32_t rows_;
  const std::uint32_t columns_;
  const HotSpot hot_spot_;
};

}  // namespace vmmc::nicsim::sim
