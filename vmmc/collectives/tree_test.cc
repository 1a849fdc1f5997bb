// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/collectives/tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "vmmc/collectives/layout.h"
#include "vmmc/collectives/stamp.h"

using namespace vmmc::collectives;

namespace {

std::vector<std::uint32_t> children_of(std::uint32_t rank, std::uint32_t root, std::uint32_t size) {
  std::vector<std::uint32_t> children;
  TreeNode(rank, root, size).visit_children([&](std::uint32_t k) {
    children.push_back(rank_above(rank, std::uint64_t{1} << k, size));
    return 0;
  });
  return children;
}

// Its members, in the order in which they are combined.
std::vector<std::uint32_t> members_below(std::uint32_t rank, std::uint32_t root, std::uint32_t size,
                                         std::uint32_t& depth) {
  std::vector<std::uint32_t> members{rank};
  std::uint32_t deepest = 0;
  for (const std::uint32_t child : children_of(rank, root, size)) {
    std::uint32_t below = 0;
    const auto more = members_below(child, root, size, below);
    members.insert(members.end(), more.begin(), more.end());
    deepest = std::max(deepest, below + 1);
  }
  depth = deepest;
  return members;
}

}  // namespace

TEST_CASE("every rank is in the tree once, at most log2 n below the root, and knows its parent") {
  for (std::uint32_t size = 1; size <= 40; ++size) {
    for (std::uint32_t root = 0; root < size; ++root) {
      CAPTURE(size);
      CAPTURE(root);
      std::uint32_t depth = 0;
      std::vector<std::uint32_t> members = members_below(root, root, size, depth);
      CHECK(depth <= distances(size));
      std::sort(members.begin(), members.end());
      CHECK(members.size() == size);
      CHECK(std::adjacent_find(members.begin(), members.end()) == members.end());
      for (std::uint32_t rank = 0; rank < size; ++rank) {
        const auto children = children_of(rank, root, size);
        CHECK(TreeNode(rank, root, size).is_leaf() == children.empty());
        CHECK(TreeNode(rank, root, size).is_root() == (rank == root));
        for (const std::uint32_t child : children) {
          const std::uint32_t k = TreeNode(child, root, size).parent_distance();
          CHECK(k < distances(size));
          CHECK(rank_below(child, std::uint64_t{1} << k, size) == rank);
        }
      }
    }
  }
}

TEST_CASE("children are combined in the documented order, and served in the opposite one") {
  std::uint32_t depth = 0;
  CHECK(members_below(0, 0, 6, depth) == std::vector<std::uint32_t>{0, 4, 1, 5, 2, 3});
  CHECK(members_below(2, 2, 4, depth) == std::vector<std::uint32_t>{2, 3, 0, 1});
  CHECK(children_of(0, 0, 13) == std::vector<std::uint32_t>{8, 1, 2, 4});
  std::vector<std::uint32_t> served;
  TreeNode(0, 0, 13).visit_children_backwards([&](std::uint32_t k) {
    served.push_back(1u << k);
    return 0;
  });
  CHECK(served == std::vector<std::uint32_t>{4, 2, 1, 8});
}

TEST_CASE("a visit ends with the first status that is not zero") {
  int visits = 0;
  const auto refuse = [&](std::uint32_t k) { return ++visits == 2 ? static_cast<int>(k) + 7 : 0; };
  CHECK(TreeNode(0, 0, 13).visit_children(refuse) == 7);
  CHECK(visits == 2);
}

TEST_CASE("the buffer has room for all, without overlap, and grows as the header says") {
  for (const std::uint32_t size : {1u, 2u, 3u, 64u, 300u}) {
    const std::size_t rounds = distances(size);
    const Layout layout(size, 4096);
    CHECK(layout.barrier >= kHeaderBytes);
    CHECK(layout.credits >= layout.barrier + rounds * kWord);
    CHECK(layout.grants >= layout.credits + 2 * rounds * kWord);
    CHECK(layout.exchanges.slot(0) >= layout.grants + size * kWord);
    CHECK(layout.exchanges.slot(1) == layout.exchanges.slot(0) + kExchangeBytes);
    CHECK(layout.exchanges.word(0) == layout.exchanges.slot(2 * Layout::exchange_count(size)));
    CHECK(layout.streams.slot(0) >= layout.exchanges.end());
    CHECK(layout.streams.word(0) == layout.streams.slot(2 * rounds * kDepth));
    CHECK(layout.lanes.slot(0) >= layout.streams.end());
    CHECK(layout.total >= layout.lanes.word(kLanes * kDepth));
    CHECK(layout.total <= 8 * 4096 * (rounds + 1) + 2200 * (rounds + 2) + 8 * size);
  }
}

TEST_CASE("a stamp holds number and mark, and is ordered by the number") {
  const std::uint32_t mark = make_mark({3, 1000, 2});
  CHECK(mark != make_mark({3, 1000, 1}));
  CHECK(mark != make_mark({3, 1001, 2}));
  CHECK(make_stamp(7, 0) <= make_stamp(7, mark));
  CHECK(make_stamp(7, kMarkMask) < make_stamp(8, 0));
}
