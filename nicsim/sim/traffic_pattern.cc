// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/sim/traffic_pattern.h"

#include <array>
#include <bit>
#include <cstddef>

namespace vmmc::nicsim::sim {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, 7> kNames = {
    "uniform",           "transpose", "bit-reversal", "complement",
    "nearest-neighbour", "hot-spot",  "all-to-all"};

}  // namespace

std::string_view name_of(TrafficPattern pattern) {
  return kNames[static_cast<std::size_t>(pattern)];
}

std::optional<TrafficPattern> pattern_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<TrafficPattern>(i);
  }
  return std::nullopt;
}

std::string pattern_names() {
  std::string names;
  for (const std::string_view name : kNames) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

std::uint32_t TrafficDestinations::next(std::uint32_t node, std::uint64_t number,
                                        TrafficRandom& random) const {
  const std::uint32_t nodes = rows_ * columns_;
  switch (pattern_) {
    case TrafficPattern::kUniform:
      break;
    case TrafficPattern::kTranspose:
      return node % columns_ * columns_ + node / columns_;
    case TrafficPattern::kBitReversal:
      return reversed(node);
    case TrafficPattern::kComplement:
      return nodes - 1 - node;
    case TrafficPattern::kNearestNeighbour:
      return neighbour(node, random);
    case TrafficPattern::kHotSpot:
      if (random.happens(hot_spot_.share)) return hot_spot_.node;
      break;
    case TrafficPattern::kAllToAll:
      if (nodes == 1) return 0;
      return static_cast<std::uint32_t>((node + 1 + number % (nodes - 1)) % nodes);
  }
  return any_other(node, random);
}

std::uint32_t TrafficDestinations::any_other(std::uint32_t node, TrafficRandom& random) const {
  const std::uint32_t nodes = rows_ * columns_;
  if (nodes == 1) return 0;
  const auto other = static_cast<std::uint32_t>(random.below(nodes - 1));
  return other < node ? other : other + 1;
}

std::uint32_t TrafficDestinations::neighbour(std::uint32_t node, TrafficRandom& random) const {
  std::array<std::uint32_t, 4> neighbours;
  std::size_t count = 0;
  if (node % columns_ > 0) neighbours[count++] = node - 1;
  if (node % columns_ + 1 < columns_) neighbours[count++] = node + 1;
  if (node / columns_ > 0) neighbours[count++] = node - columns_;
  if (node / columns_ + 1 < rows_) neighbours[count++] = node + columns_;
  return count == 0 ? node : neighbours[random.below(count)];
}

std::uint32_t TrafficDestinations::reversed(std::uint32_t node) const {
  std::uint32_t result = 0;
  for (std::uint32_t bit = 1; bit < rows_ * columns_; bit <<= 1)
    result = result << 1 | ((node & bit) != 0 ? 1 : 0);
  return result;
}

std::optional<std::string> problem_of(TrafficPattern pattern, std::uint32_t rows,
                                      std::uint32_t columns, HotSpot hot_spot) {
  const std::uint32_t nodes = rows * columns;
  if (pattern == TrafficPattern::kTranspose && rows != columns) {
    return "transpose needs as many rows as columns";
  }
  if (pattern == TrafficPattern::kBitReversal && !std::has_single_bit(nodes)) {
    return "bit-reversal needs a power of two of nodes";
  }
  if (pattern != TrafficPattern::kHotSpot) return std::nullopt;
  if (hot_spot.node >= nodes) return "the hot spot is no node";
  const bool is_share = hot_spot.share >= 0 && hot_spot.share <= 1;  // a NaN is none
  if (!is_share) return "the hot spot's share is not 0 to 1";
  return std::nullopt;
}

}  // namespace vmmc::nicsim::sim
