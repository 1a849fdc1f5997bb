// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The instruments: what looks at the machine, and what makes it easier to look at. They outlive the
// machine and its loop. None of them is needed for a transfer, and none of them costs one more than a branch
// while it is not in use.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstdint>

#include "nicsim/attention.h"
#include "nicsim/error_log.h"
#include "nicsim/fault_plan.h"
#include "nicsim/latency_histogram.h"
#include "nicsim/pace.h"
#include "nicsim/packet_tap.h"
#include "nicsim/trace/trace.h"

namespace vmmc::nicsim {

struct Instruments {
 private:
  Attention attention_;

 public:
  Trace trace{&attention_};
  Pace pace{&attention_};
  FaultPlan faults{&attention_};
  ErrorLog errors;
  OperationLatencies latencies;

  // Whether the packets have to be looked at one by one, which makes long transfers slower in real time.
  bool by_packet() const { return attention_.is_wanted(); }
  // Whether there may be packets that must not wait for more than one packet of another.
  void put_real_time_first(bool first) { attention_.want(Attention::Of::kRealTime, first); }

  // While there is one every packet is shown to it; it outlives its use. nullptr: none.
  void show_packets_to(PacketTap* tap) {
    tap_ = tap;
    attention_.want(Attention::Of::kTap, tap != nullptr);
  }
  PacketTap* tap() const { return tap_; }

  std::uint64_t next_operation() { return ++operations_; }  // of the trace

 private:
  PacketTap* tap_ = nullptr;
  std::uint64_t operations_ = 0;
};

}  // namespace vmmc::nicsim
