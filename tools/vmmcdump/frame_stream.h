// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where capture() gets its frames: a receive ring.
#pragma once

#include <cstdint>

#include "vmmc/ring.h"

namespace vmmc::dump {

class FrameStream {
 public:
  virtual ~FrameStream() = default;

  // As vmmc_ring_next.
  virtual int next(const vmmc_frame*& frame, std::uint64_t timeout) = 0;
  virtual vmmc_ring_counters counters() const = 0;
};

}  // namespace vmmc::dump
