// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Admission: whether the network interface can guarantee one more budget, besides those that it has
// promised already.
//
// The model
//   One network interface engine that carries out one packet after the other and never interrupts
//   one. Real-time packets come before packets of ordinary transfers; among channels the one with
//   the shorter deadline comes first. A message is ceil(length / 4096) packets, at least one, and
//   all messages of a period may come at once. A packet of either kind takes at most
//   AdmissionLimits::packet_ns.
//
// The test
//   Response-time analysis of non-preemptive fixed priorities: what a channel's message waits for
//   is at most one packet that has begun (ordinary, or of a channel with a longer deadline), all
//   messages of channels whose deadline is not longer, and those of its own channel that came
//   before it. The messages of the channel's busy period are looked at one after the other; where
//   that takes too many steps a straight line above all of them stands for the rest, which is on
//   the safe side, and bounds how long nicsim's one thread is kept.
//
// What the model leaves out: that nicsim gets a processor, and is woken, in time (the scheduler's);
// and control requests, which nicsim's one thread carries out in between.
//
// Threads: none of it has state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "nicsim/wire/real_time_channel.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim::real_time {

struct AdmissionLimits {
  std::uint64_t packet_ns = 10'000;  // how long a packet takes at most; see docs/decisions/0015
  std::uint32_t share = 750;         // thousandths of the network interface that may be promised
  std::uint64_t memory = std::uint64_t{256} << 20;  // bytes of all channels together
  std::size_t channels = 64;

  // That one process may have opened, so that it cannot have them all: a quarter, rounded up.
  std::size_t channels_of_process() const { return (channels + 3) / 4; }
};
inline constexpr std::uint64_t kMostPacketNs = 1'000'000;
inline constexpr std::uint32_t kMostShare = 950;
inline constexpr std::uint64_t kMostMemory = std::uint64_t{1} << 40;

// As in wire::OpenChannelRequest.
struct Budget {
  std::uint32_t messages;
  std::uint64_t period;
  std::uint64_t deadline;
  std::uint32_t longest;
};

// What is promised to the channels that there are.
struct Promised {
  std::span<const Budget> budgets;  // that take time of the network interface
  std::size_t channels;
  std::size_t of_process;  // of these: that the process which asks has opened, or keeps
  std::uint64_t memory;    // bytes
};

struct Refusal {
  wire::Status status;
  std::uint64_t needed = 0;  // see wire::ChannelReply
  std::uint64_t available = 0;
};

// Whether the numbers make sense.
bool is_sensible(const Budget& budget);

// Nothing: it can be promised. kBadBudget, kTooManyChannels, kReservationFull, kNicOvercommitted,
// kDeadlineTooShort (of the new one or of one that has been promised).
std::optional<Refusal> refuse(const AdmissionLimits& limits, const Promised& promised,
                              const Budget& added, std::uint64_t added_memory);

// The longest response time of a message of `budgets[which]`, ns, if all of them are admitted, or
// somewhat more. Their utilisation is below 1.
std::uint64_t response_time(const AdmissionLimits& limits, std::span<const Budget> budgets,
                            std::size_t which);

// Thousandths of the network interface, rounded up.
std::uint64_t utilisation(const AdmissionLimits& limits, std::span<const Budget> budgets);

std::uint32_t packets_of(std::uint32_t length);

}  // namespace vmmc::nicsim::real_time
