// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which instruments want the packets to be looked at one by one: one word, so that who moves packets finds
// out by one branch that none does. Real-time channels want it, too: their packets go in between.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstdint>

namespace vmmc::nicsim {

class Attention {
 public:
  enum class Of : std::uint8_t { kTrace = 1, kPace = 2, kFaults = 4, kTap = 8, kRealTime = 16 };

  void want(Of instrument, bool wanted) {
    const auto bit = static_cast<std::uint8_t>(instrument);
    wanted_ = static_cast<std::uint8_t>(wanted ? wanted_ | bit : wanted_ & ~bit);
  }
  bool is_wanted() const { return wanted_ != 0; }

 private:
  std::uint8_t wanted_ = 0;
};

}  // namespace vmmc::nicsim
