// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which records of the trace the page gets: all of them while they are few, or come in one burst after a
// while in which there were few; else those of some operations, whole, each operation with the same chance,
// whatever it is and whoever's it is.
//
// Threads: one. Its memory does not grow with what happens: it remembers a bounded number of
// operations.
//
// Invariants
//   Of an operation that began after the sampler did and of which no record was lost, all records are
//   shown, or none.
//   total = shown + left out + lost, of each look.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "nicsim/wire/trace_record.h"

namespace vmmc::lab {

class RecordSampler {
 public:
  using Find = std::function<const wire::TraceRecord*(std::uint64_t n)>;

  static constexpr std::size_t kFew =
      300;  // records: about so many are shown each time, if it goes on
  static constexpr std::size_t kMostShown = 2000;     // of a burst, or of one operation
  static constexpr std::uint64_t kMostLooked = 8192;  // records of one look; older ones are lost
  static constexpr std::size_t kMostOperations = 4096;

  explicit RecordSampler(Find find) : find_(std::move(find)) {}

  struct Look {
    std::vector<const wire::TraceRecord*> shown;  // oldest first; until the trace goes on
    std::uint64_t total = 0;                      // since the last look
    std::uint64_t lost = 0;                       // overwritten, or passed over for lack of time
  };
  // What there is since the last look, if there have been `written` records until now.
  Look look(std::uint64_t written);

 private:
  struct Unit {
    std::uint64_t key;  // pseudo-random order
    std::uint64_t operation;
    std::size_t records;
    bool taken;
  };

  bool is_shown(const wire::TraceRecord& record) const;
  void decide(const std::vector<const wire::TraceRecord*>& records);
  void forget_old();

  Find find_;
  std::uint64_t next_ = 0;
  bool gap_ = false;               // something was lost in this look
  std::size_t room_ = kMostShown;  // records that may be shown; grows by kFew with each look
  std::map<std::uint64_t, bool> operations_;  // the latest ones: whether they are shown
  std::uint64_t forgotten_ = 0;               // operations up to this one are not begun anew
};

}  // namespace vmmc::lab
