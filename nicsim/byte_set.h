// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A set of byte offsets, kept as ranges: which bytes of a redirectable buffer have arrived.
//
// Bounded, because senders decide how many ranges there are: with more than kMaxRanges a gap beside
// the range that was added last is closed, and the set holds bytes that were never added. Its user
// (redirection) then copies bytes that nobody has sent, which is harmless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace vmmc::nicsim {

class ByteSet {
 public:
  static constexpr std::size_t kMaxRanges = 1024;

  using Range = std::pair<std::uint64_t, std::uint64_t>;  // [first, end)

  // Adds [first, end), which is not empty.
  void add(std::uint64_t first, std::uint64_t end);

  // Takes [first, end) out, and returns what of it was in the set, in order.
  std::vector<Range> take(std::uint64_t first, std::uint64_t end);

  std::size_t ranges() const { return ranges_.size(); }

 private:
  // Neither overlapping nor touching: first -> end.
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

}  // namespace vmmc::nicsim
