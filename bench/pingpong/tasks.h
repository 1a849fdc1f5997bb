// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What is measured, each with the part of both processes: measure_* runs in the initiator, answer_*
// in the responder. In all of them every message carries a pattern of its own and every byte of it
// is checked by its receiver, before or after the span that is timed, never in it.
//
// Times in nanoseconds. Errors end the process (see link.h).
#pragma once

#include <cstdint>

#include "bench/pingpong/link.h"
#include "platform/histogram.h"

namespace vmmc::bench {

// Round trips. In each: both sides write what they will send; the responder says that it is ready;
// the initiator takes the time, sends, waits for the answer and takes the time; both check what
// they have received.
platform::Histogram measure_pingpong(Link& link, std::uint64_t bytes, std::uint64_t count);
void answer_pingpong(Link& link, const Command& command);

// A burst is `slots` messages to as many slots and a flag, and ends when the responder's
// confirmation has arrived; with several passes each message is sent as often. With a window, messages are sent by vmmc_send_start and at most
// `window` of them are pending; without one, by vmmc_send.
struct BurstPlan {
  std::uint64_t bytes;
  std::uint64_t slots;
  std::uint64_t passes;  // over the slots, with the same messages
  std::uint64_t window;  // 0: vmmc_send
  bool with_memcpy;  // after each burst, one core copies messages of the same size, slot by slot,
                     // to the same offsets
};
struct BurstResult {
  platform::Histogram bursts;
  platform::Histogram copies;  // empty without memcpy
};
inline constexpr std::uint64_t kBurstBytes =
    64 * 1024 * 1024;                               // upper limit, unless one message is larger
inline constexpr std::uint64_t kBurstSlots = 1024;  // upper limit
// How many slots a burst of this size uses: all that fit these limits and the link's memory, at
// least one.
std::uint64_t slots_of_burst(const Link& link, std::uint64_t bytes);
// `copies` is memory of the same kind as the responder's, of the same size as the link's payloads;
// null without memcpy.
BurstResult measure_bursts(Link& link, const BurstPlan& plan, std::byte* copies,
                           std::uint64_t count);
void answer_bursts(Link& link, const Command& command);

// Messages that are due every `period`, whatever happened to those before them. Latency is counted
// from the moment when a message was due to the moment when its receiver saw it.
inline constexpr std::uint64_t kFixedRateSlots =
    1024;  // messages that may be on their way or unchecked
struct FixedRateResult {
  platform::Histogram latency;
  platform::Histogram
      lateness;            // how long after they were due messages were sent; contained in latency
  std::uint64_t duration;  // from the first due time until all had been received
};
FixedRateResult measure_fixed_rate(Link& link, std::uint64_t bytes, std::uint64_t count,
                                   std::uint64_t period);
void answer_fixed_rate(Link& link, const Command& command);

}  // namespace vmmc::bench
