// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The shape of broadcast and reduction among n processes.
//
// The members are numbered from the root: v = (rank - root) mod n. The first p of them, p the
// largest power of two <= n, form a binomial tree; member p + i hangs below member i as a leaf. Its
// depth is that of a binomial tree of all n, and every reduction (also by recursive doubling, which
// works among p) combines in one and the same order:
//
//   n = 6, p = 4:   ((x0 x4) (x1 x5)) (x2 x3)
//
//              0
//            / | \            Every edge spans a power of two, whatever the root: a rank has at most
//           2  1  4           2 ceil(log2 n) neighbours in all trees together, rank +- 2^k.
//           |  |
//           3  5
//
// Threads: no state.
#pragma once

#include <bit>
#include <cstdint>

namespace vmmc::collectives {

// Distances between neighbours are 2^k, k < distances(n): ceil(log2 n).
constexpr std::uint32_t distances(std::uint32_t size) {
  return static_cast<std::uint32_t>(std::bit_width(size - 1));
}

// log2 p.
constexpr std::uint32_t doublings(std::uint32_t size) {
  return static_cast<std::uint32_t>(std::bit_width(size) - 1);
}

// The rank `distance` above, around the end; and below.
constexpr std::uint32_t rank_above(std::uint32_t rank, std::uint64_t distance, std::uint32_t size) {
  return static_cast<std::uint32_t>((rank + distance) % size);
}
constexpr std::uint32_t rank_below(std::uint32_t rank, std::uint64_t distance, std::uint32_t size) {
  return static_cast<std::uint32_t>((rank + size - distance % size) % size);
}

class TreeNode {
 public:
  TreeNode(std::uint32_t rank, std::uint32_t root, std::uint32_t size)
      : member_(rank_below(rank, root, size)), size_(size) {}

  bool is_root() const { return member_ == 0; }
  bool is_leaf() const { return inner_children() == 0 && !has_outer_child(); }

  // The parent is 2^parent_distance() below. Not for the root.
  std::uint32_t parent_distance() const {
    return is_outer() ? doublings(size_) : static_cast<std::uint32_t>(std::countr_zero(member_));
  }

  // Calls visit(k) for each child, 2^k above, in the order of combination, until one returns a
  // status that is not 0, and returns that.
  template <typename Visit>
  int visit_children(Visit visit) const {
    if (has_outer_child()) {
      if (const int status = visit(doublings(size_)); status != 0) return status;
    }
    for (std::uint32_t k = 0; k < inner_children(); ++k) {
      if (const int status = visit(k); status != 0) return status;
    }
    return 0;
  }

  // The other way round: the largest subtree, which takes longest, first.
  template <typename Visit>
  int visit_children_backwards(Visit visit) const {
    for (std::uint32_t k = inner_children(); k > 0; --k) {
      if (const int status = visit(k - 1); status != 0) return status;
    }
    return has_outer_child() ? visit(doublings(size_)) : 0;
  }

 private:
  std::uint32_t inner() const { return 1u << doublings(size_); }
  bool is_outer() const { return member_ >= inner(); }
  bool has_outer_child() const { return !is_outer() && size_ - member_ > inner(); }
  std::uint32_t inner_children() const {
    if (is_outer()) return 0;
    return is_root() ? doublings(size_) : static_cast<std::uint32_t>(std::countr_zero(member_));
  }

  std::uint32_t member_;
  std::uint32_t size_;
};

}  // namespace vmmc::collectives
