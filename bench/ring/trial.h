// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One receiver in a process of its own, fed once: from a file or by a sender.
//
// Threads and processes: the caller sends; a receiver that fails ends the program with a sentence.
#pragma once

#include <cstdint>
#include <optional>

#include "bench/ring/call_count.h"
#include "bench/ring/capture_file.h"
#include "bench/ring/network.h"
#include "bench/ring/receiver.h"
#include "bench/support/placement.h"

namespace vmmc::bench {

struct Trial {
  Tally tally;
  Losses losses;
  std::uint64_t duration = 0;       // ns, of the file from the opening to the end
  std::uint64_t receiver_time = 0;  // ns of processor time
  std::uint64_t nicsim_time = 0;
  FrameSender::Sent sent;
  std::uint64_t lost_on_the_way = 0;  // before any receiver could count: the veth's queue
  Calls calls;                        // to the system, of the one that they were counted of
};

// One at a time: strace slows its process down, and who waits for that one makes calls meanwhile.
enum class Counted { kNobody, kReceiver, kNicsim };

struct TrialPlan {
  Contestant contestant;
  int receiver_core = kAnywhere;
  pid_t nicsim = 0;                    // 0: it is not one of the ring's
  Counted counted = Counted::kNobody;  // whose system calls are, by strace
};

Trial try_file(const TrialPlan& plan, const CaptureFile& file);
Trial try_interface(const TrialPlan& plan, std::uint32_t bytes, std::uint64_t rate,
                    std::uint64_t duration);

// Ends the program if frames are unaccounted for, or not as they were sent.
void check_file_trial(const Trial& trial, const CaptureFile& file);
void check_interface_trial(const TrialPlan& plan, const Trial& trial);

}  // namespace vmmc::bench
