// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/admission.h"

#include <algorithm>
#include <vector>

namespace vmmc::nicsim::real_time {
namespace {

// Of sensible budgets and limits the products below stay far under 2^64: a burst of 10^6 messages
// of 256 packets of 10^6 ns is 2.56 * 10^14 ns, and all bursts of a set whose utilisation is below
// 1 are together less than the longest period, 10^10 ns.

// Steps of the iteration for one channel.
constexpr std::uint64_t kMostSteps = 128;

constexpr std::uint64_t ceil_div(std::uint64_t value, std::uint64_t by) {
  return (value + by - 1) / by;
}

// All messages of a period.
std::uint64_t burst_ns(const AdmissionLimits& limits, const Budget& budget) {
  return std::uint64_t{budget.messages} * packets_of(budget.longest) * limits.packet_ns;
}

// Millionths of the network interface, rounded up, so that many small ones are not nothing.
std::uint64_t millionths(std::uint64_t burst, std::uint64_t period) {
  return burst / period * 1'000'000 + ceil_div(burst % period * 1'000'000, period);
}

// A channel of which only this matters here.
struct Work {
  std::uint64_t period;
  std::uint64_t burst;  // ns, all messages of a period
};

// Those that are carried out before the one that is looked at, or may be.
class Urgent {
 public:
  Urgent(const AdmissionLimits& limits, std::span<const Budget> budgets, std::size_t which) {
    for (std::size_t i = 0; i < budgets.size(); ++i) {
      if (i == which || budgets[i].deadline > budgets[which].deadline) continue;
      works_.push_back({budgets[i].period, burst_ns(limits, budgets[i])});
      bursts_ += works_.back().burst;
      utilisation_ += millionths(works_.back().burst, works_.back().period);
    }
  }

  // When `own` ns of work are done, at the latest, before which all of theirs goes, if all begin at
  // 0: the smallest t from `start` on with t == own + what they have begun up to then. Nothing: the
  // steps are not enough.
  std::optional<std::uint64_t> end_of(std::uint64_t own, std::uint64_t start,
                                      std::uint64_t& steps) const {
    for (std::uint64_t at = std::max(start, own + bursts_); steps > 0;) {
      --steps;
      std::uint64_t sum = own;
      for (const Work& work : works_) sum += (at / work.period + 1) * work.burst;
      if (sum <= at) return at;
      at = sum;
    }
    return std::nullopt;
  }
  // Not less than that: where the straight line above their steps ends.
  std::uint64_t bound_of(std::uint64_t own) const {
    if (utilisation_ >= 1'000'000) return UINT64_MAX / 2;
    return ceil_div((own + bursts_) * 1'000'000, 1'000'000 - utilisation_);
  }

 private:
  std::vector<Work> works_;
  std::uint64_t bursts_ = 0;
  std::uint64_t utilisation_ = 0;
};

}  // namespace

std::uint32_t packets_of(std::uint32_t length) {
  return std::max<std::uint32_t>(
      1, static_cast<std::uint32_t>(ceil_div(length, std::uint64_t{wire::kPageSize})));
}

bool is_sensible(const Budget& budget) {
  return budget.messages >= 1 && budget.messages <= wire::kMostMessages &&
         budget.period >= wire::kShortestPeriod && budget.period <= wire::kLongestPeriod &&
         budget.deadline >= 1 && budget.deadline <= wire::kLongestPeriod && budget.longest >= 1 &&
         budget.longest <= wire::kLongestDatagram;
}

std::uint64_t utilisation(const AdmissionLimits& limits, std::span<const Budget> budgets) {
  std::uint64_t sum = 0;
  for (const Budget& budget : budgets) sum += millionths(burst_ns(limits, budget), budget.period);
  return ceil_div(sum, 1000);
}

std::uint64_t response_time(const AdmissionLimits& limits, std::span<const Budget> budgets,
                            std::size_t which) {
  const std::uint64_t period = budgets[which].period;
  const std::uint64_t burst = burst_ns(limits, budgets[which]);
  const std::uint64_t packet = limits.packet_ns;
  const Urgent urgent(limits, budgets, which);
  std::uint64_t longest = 0;
  std::uint64_t steps = kMostSteps;
  std::uint64_t start = 0;
  for (std::uint64_t n = 0;; ++n) {
    // A packet that has begun, and its own work but for the last packet: that is not interrupted.
    const std::uint64_t own_work = (n + 1) * burst;
    const auto found = urgent.end_of(own_work, start + burst, steps);
    // All later ones are below the same line, which does not rise with n.
    if (!found) return std::max(longest, urgent.bound_of(own_work) + packet - n * period);
    start = *found;
    longest = std::max(longest, start + packet - n * period);
    // Nothing is left over from here: the next one is no worse off than the first.
    if (start + packet <= (n + 1) * period) return longest;
  }
}

namespace {

// Which most sets keep: only the others need the steps.
bool is_below_the_line(const AdmissionLimits& limits, std::span<const Budget> budgets,
                       std::size_t which) {
  const Urgent urgent(limits, budgets, which);
  return urgent.bound_of(burst_ns(limits, budgets[which])) + limits.packet_ns <=
         budgets[which].deadline;
}

}  // namespace

std::optional<Refusal> refuse(const AdmissionLimits& limits, const Promised& promised,
                              const Budget& added, std::uint64_t added_memory) {
  if (!is_sensible(added)) return Refusal{wire::Status::kBadBudget};
  if (promised.channels >= limits.channels) {
    return Refusal{wire::Status::kTooManyChannels, promised.channels + 1, limits.channels};
  }
  if (promised.of_process >= limits.channels_of_process()) {
    return Refusal{wire::Status::kTooManyChannels, promised.of_process + 1,
                   limits.channels_of_process()};
  }
  const std::uint64_t left = limits.memory > promised.memory ? limits.memory - promised.memory : 0;
  if (added_memory > left) return Refusal{wire::Status::kReservationFull, added_memory, left};
  std::vector<Budget> all(promised.budgets.begin(), promised.budgets.end());
  all.push_back(added);
  const std::uint64_t share = utilisation(limits, all);
  if (share > limits.share) return Refusal{wire::Status::kNicOvercommitted, share, limits.share};
  for (std::size_t i = all.size(); i-- > 0;) {
    if (is_below_the_line(limits, all, i)) continue;
    const std::uint64_t response = response_time(limits, all, i);
    if (response > all[i].deadline) {
      return Refusal{wire::Status::kDeadlineTooShort, response, all[i].deadline};
    }
  }
  return std::nullopt;
}

}  // namespace vmmc::nicsim::real_time
