// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What goes before any packet of an ordinary transfer, or batch of frames, that has not begun.
//
// Threads: used by nicsim's one thread.
#pragma once

namespace vmmc::nicsim::real_time {

class PacketsFirst {
 public:
  // Carries out every real-time packet that waits and is within its budget.
  virtual void serve_waiting() = 0;

 protected:
  ~PacketsFirst() = default;
};

}  // namespace vmmc::nicsim::real_time
