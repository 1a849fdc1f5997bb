// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/radixsort/plan.h"

#include <numeric>

namespace examples::radixsort {

// The splitmix64 generator's output for the state seed + position.
Key key_at(std::uint64_t seed, std::uint32_t position) {
  std::uint64_t mixed = (seed << 32) + (std::uint64_t{position} + 1) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return static_cast<Key>(mixed >> 32);
}

Histogram count_digits(std::span<const Key> keys, Digit digit) {
  Histogram histogram(digit.values());
  for (const Key key : keys) ++histogram[digit.of(key)];
  return histogram;
}

std::vector<std::uint32_t> first_positions(std::span<const std::uint32_t> all, Digit digit,
                                           std::uint32_t rank) {
  std::vector<std::uint32_t> positions(digit.values());
  std::uint32_t before = 0;
  for (std::uint32_t value = 0; value < digit.values(); ++value) {
    for (std::size_t at = value; at < all.size(); at += digit.values()) {
      if (at / digit.values() == rank) positions[value] = before;
      before += all[at];
    }
  }
  return positions;
}

std::vector<Run> plan_runs(std::span<const std::uint32_t> positions, const Histogram& histogram,
                           const Blocks& blocks) {
  std::vector<Run> runs;
  std::uint32_t gathered = 0;
  for (std::size_t value = 0; value < histogram.size(); ++value) {
    std::uint32_t position = positions[value];
    const std::uint32_t end = position + histogram[value];
    while (position < end) {
      const Place to = blocks.place_of(position);
      const std::uint32_t count = std::min(end - position, blocks.length() - to.index);
      runs.push_back({gathered, to, count});
      position += count;
      gathered += count;
    }
  }
  return runs;
}

void gather(std::span<const Key> keys, Digit digit, const Histogram& histogram,
            std::span<Key> gathered) {
  std::vector<std::uint32_t> next(histogram.size());
  std::exclusive_scan(histogram.begin(), histogram.end(), next.begin(), 0u);
  for (const Key key : keys) gathered[next[digit.of(key)]++] = key;
}

}  // namespace examples::radixsort
