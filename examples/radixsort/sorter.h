// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The sort of keys that all processes of a job hold together, in two arrays that take turns: a pass
// reads one and writes the other.
//
//   count my digits --all_to_all--> everybody's histograms --scan--> where my keys go
//   permute:  deliberate   gather my keys by digit, send each run to where it goes
//             automatic    store each key into my image of the array of the rank that it goes to
//   fence, barrier, next pass
//
// Threads and processes
//   All processes make a Sorter with the same arguments and call the same functions in the same
//   order. One thread of each.
//
// Invariants
//   No two ranks write to the same position in a pass. A rank writes to an array in pass k + 1 only
//   after the barrier of pass k, in which that array was read; and it reads what others have sent
//   only after their fences and the barrier.
//   An image is never read: it holds what this rank has stored, not what other ranks have.
//
// What a crash at any instruction leaves behind
//   Nothing: the others wait until their patience ends, or vmmcrun ends them at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "examples/radixsort/plan.h"
#include "vmmc/collectives.hpp"
#include "vmmc/vmmc.hpp"

namespace examples::radixsort {

enum class Way { kDeliberate, kAutomatic };

// Of a sort, the same on all ranks.
struct Costs {
  std::vector<double> passes;        // ms, each with its barrier; of the slowest rank
  std::vector<double> permutations;  // ms, the part of each that moves the keys, with its fence
  std::uint64_t transfers = 0;       // of all permutations and ranks
};

class Sorter {
 public:
  // Attached already. `binding` as for vmmc_bind.
  Sorter(const Blocks& blocks, unsigned bits, const vmmc_bind_options& binding);

  // Sorts the keys key_at(seed, ...).
  Costs sort(Way way, std::uint64_t seed);

  // Rank 0 fetches the result of the last sort: is it `expected`? The others take part: true.
  bool holds(std::span<const Key> expected) const;

 private:
  // Another rank's array, and the memory here that is bound to it.
  struct Remote {
    vmmc::proxy proxy;
    vmmc::memory image;
    vmmc::binding binding;
    vmmc::au_span<Key> keys;  // of the image
  };
  struct Array {
    vmmc::memory memory;
    vmmc::receive_buffer exported;
    std::span<Key> keys;         // our block
    std::vector<Remote> others;  // by rank, without us
  };

  std::vector<Array> make_arrays() const;
  Remote make_remote(std::uint32_t number, std::uint32_t rank,
                     const vmmc_bind_options& options) const;
  const Remote& remote(const Array& array, std::uint32_t rank) const;
  std::vector<std::uint32_t> exchange(const Histogram& histogram) const;
  void run_pass(Way way, Digit digit, Costs& costs);
  void permute_deliberately(std::span<const Key> keys, const Array& target, Digit digit,
                            const Histogram& histogram, std::span<const std::uint32_t> positions);
  void permute_automatically(std::span<const Key> keys, const Array& target, Digit digit,
                             std::vector<std::uint32_t> positions) const;

  const Blocks blocks_;
  const unsigned bits_;
  const std::uint32_t rank_;
  const bool plain_stores_;  // to images: captured by trap
  vmmc::memory gathered_;
  std::vector<Array> arrays_;
  unsigned source_ = 0;  // which of them the next pass reads
  vmmc::group group_;
};

}  // namespace examples::radixsort
