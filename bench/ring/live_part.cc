// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/live_part.h"

#include <algorithm>
#include <memory>

#include "bench/ring/trial.h"
#include "bench/support/processes.h"
#include "bench/support/scheduling.h"

namespace vmmc::bench {
namespace {

constexpr int kTries = 2;  // one loss may be the host's; two are the receiver's

struct Lane {
  TrialPlan plan;
  LiveSummary summary;
};

bool is_loss_free(const Trial& trial) {
  return trial.tally.frames == trial.sent.frames && trial.sent.refused == 0;
}

// Frames per second that were offered; 0 if some were lost, each time.
double try_rate(const TrialPlan& plan, const Settings& settings, std::uint32_t bytes,
                std::uint64_t rate) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const Trial trial = try_interface(plan, bytes, rate, settings.duration);
    check_interface_trial(plan, trial);
    if (is_loss_free(trial)) return trial.sent.rate();
  }
  return 0;
}

// By bisection between nothing and the sender's full speed.
void add_loss_free_rate(Lane& lane, const Settings& settings, std::uint32_t bytes) {
  const Trial full = try_interface(lane.plan, bytes, 0, settings.duration);
  check_interface_trial(lane.plan, full);
  if (is_loss_free(full)) {
    lane.summary.sender_was_the_limit = true;
    lane.summary.loss_free.push_back(full.sent.rate());
    return;
  }
  double good = 0;
  double bad = full.sent.rate();
  for (std::uint64_t step = 0; step < settings.steps; ++step) {
    const double middle = (good + bad) / 2;
    const double offered = try_rate(lane.plan, settings, bytes, static_cast<std::uint64_t>(middle));
    if (offered > 0) {
      good = offered;
    } else {
      bad = middle;
    }
  }
  lane.summary.loss_free.push_back(good);
}

void add_costs(Lane& lane, const Settings& settings, std::uint32_t bytes) {
  const Trial trial = try_interface(lane.plan, bytes, settings.common_rate, 2 * settings.duration);
  check_interface_trial(lane.plan, trial);
  const auto frames = static_cast<double>(std::max<std::uint64_t>(trial.tally.frames, 1));
  lane.summary.receiver_ns.push_back(static_cast<double>(trial.receiver_time) / frames);
  lane.summary.nicsim_ns.push_back(static_cast<double>(trial.nicsim_time) / frames);
  const auto sent = static_cast<double>(std::max<std::uint64_t>(trial.sent.frames, 1));
  lane.summary.sender_ns.push_back(static_cast<double>(trial.sent.in_calls) / sent);
}

CallsOfFrame calls_of(TrialPlan plan, Counted counted, const Settings& settings,
                      std::uint32_t bytes) {
  plan.counted = counted;
  const Trial trial = try_interface(plan, bytes, settings.common_rate, 4 * settings.duration);
  check_interface_trial(plan, trial);
  return each(trial.calls, std::max<std::uint64_t>(trial.tally.frames, 1));
}

void add_calls(Lane& lane, const Settings& settings, std::uint32_t bytes) {
  LiveSummary& summary = lane.summary;
  summary.receiver_calls = calls_of(lane.plan, Counted::kReceiver, settings, bytes);
  if (lane.plan.nicsim != 0)
    summary.nicsim_calls = calls_of(lane.plan, Counted::kNicsim, settings, bytes);
}

// The sender, who pays for the kernel's part of the receiving too, has the first core; receiver and
// nicsim share the last.
std::vector<Lane> lanes_of(const Settings& settings, pid_t nicsim) {
  std::vector<Lane> lanes;
  for (const Contestant contestant : settings.contestants) {
    Lane lane;
    lane.plan.contestant = contestant;
    lane.plan.receiver_core = allowed_cores().back();
    if (contestant == Contestant::kRing) lane.plan.nicsim = nicsim;
    lane.summary.contestant = contestant;
    lanes.push_back(lane);
  }
  return lanes;
}

// After a round: what is common to its lines, such as the speed of the host just then, falls out.
void compare_with_pcap(std::vector<Lane>& lanes) {
  const auto pcap = std::find_if(lanes.begin(), lanes.end(), [](const Lane& lane) {
    return lane.plan.contestant == Contestant::kPcap;
  });
  if (pcap == lanes.end() || pcap->summary.loss_free.back() <= 0) return;
  for (Lane& lane : lanes) {
    if (lane.plan.contestant == Contestant::kPcap) continue;
    LiveSummary& its = lane.summary;
    its.beside_pcap.push_back(its.loss_free.back() / pcap->summary.loss_free.back());
  }
}

void measure_size(const Settings& settings, const Report& report, bool count_calls, pid_t nicsim,
                  std::uint32_t bytes) {
  std::vector<Lane> lanes = lanes_of(settings, nicsim);
  for (std::uint64_t round = 0; round < settings.rounds; ++round) {
    report.progress("interface, frames of " + std::to_string(bytes) + " B, round " +
                    std::to_string(round + 1));
    for (Lane& lane : lanes) add_loss_free_rate(lane, settings, bytes);
    compare_with_pcap(lanes);
    for (Lane& lane : lanes) add_costs(lane, settings, bytes);
  }
  std::vector<LiveSummary> lines;
  for (Lane& lane : lanes) {
    if (count_calls) add_calls(lane, settings, bytes);
    lines.push_back(lane.summary);
  }
  report.live(bytes, lines);
}

}  // namespace

void measure_interfaces(const Settings& settings, const Report& report, bool count_calls) {
  if (const auto why = enter_own_network(settings.has(Contestant::kTap)))
    return report.skipped("interfaces", *why);
  const std::vector<int> cores = allowed_cores();
  std::unique_ptr<OwnNicsim> nicsim;
  // Its socket has a name in this namespace only.
  if (settings.has(Contestant::kRing)) nicsim = std::make_unique<OwnNicsim>(cores.back(), 1);
  // The children bind themselves elsewhere.
  if (!bind_to_core(cores.front())) fail_by_errno("sched_setaffinity");
  for (const std::uint32_t bytes : settings.sizes)
    measure_size(settings, report, count_calls, nicsim ? nicsim->process() : 0, bytes);
}

}  // namespace vmmc::bench
