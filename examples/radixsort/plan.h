// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where keys go in a pass of the radix sort. Local computation only; positions count keys from the
// start of the whole array, which the ranks hold in blocks one behind the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace examples::radixsort {

using Key = std::uint32_t;

// The key that stands at `position` before the sort: any rank can make any of them.
Key key_at(std::uint64_t seed, std::uint32_t position);

struct Place {
  std::uint32_t rank;
  std::uint32_t index;  // in the rank's block
};

// `keys` > 0 keys in blocks of one length, the last ones shorter or empty.
class Blocks {
 public:
  Blocks(std::uint32_t keys, std::uint32_t ranks)
      : keys_(keys), ranks_(ranks), length_(keys / ranks + (keys % ranks != 0)) {}

  std::uint32_t keys() const { return keys_; }
  std::uint32_t ranks() const { return ranks_; }
  std::uint32_t length() const { return length_; }
  std::uint32_t first(std::uint32_t rank) const { return std::min(rank * length_, keys_); }
  std::uint32_t count(std::uint32_t rank) const { return first(rank + 1) - first(rank); }
  std::span<const Key> of(std::span<const Key> keys, std::uint32_t rank) const {
    return keys.subspan(first(rank), count(rank));
  }
  Place place_of(std::uint32_t position) const { return {position / length_, position % length_}; }

 private:
  std::uint32_t keys_;
  std::uint32_t ranks_;
  std::uint32_t length_;
};

// The digit that a pass sorts by.
struct Digit {
  unsigned shift;
  unsigned bits;

  std::uint32_t values() const { return 1u << bits; }
  std::uint32_t of(Key key) const { return (key >> shift) & (values() - 1); }
};

// How many keys have each value of the digit.
using Histogram = std::vector<std::uint32_t>;
Histogram count_digits(std::span<const Key> keys, Digit digit);

// The position of the first key of `rank` with each value: behind all keys of smaller values, and
// those of the same value of smaller ranks. `all`: the histograms of all ranks, by rank.
std::vector<std::uint32_t> first_positions(std::span<const std::uint32_t> all, Digit digit,
                                           std::uint32_t rank);

// Keys of one value that stay together: `count` keys, from `gathered` on in the gathered order.
struct Run {
  std::uint32_t gathered;
  Place to;
  std::uint32_t count;
};

// The runs of a rank in gathered order, cut where blocks end.
std::vector<Run> plan_runs(std::span<const std::uint32_t> positions, const Histogram& histogram,
                           const Blocks& blocks);

// Copies keys ordered by the digit, equals in the order that they have.
void gather(std::span<const Key> keys, Digit digit, const Histogram& histogram,
            std::span<Key> gathered);

}  // namespace examples::radixsort
