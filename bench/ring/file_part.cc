// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/file_part.h"

#include <memory>

#include "bench/ring/capture_file.h"
#include "bench/ring/trial.h"
#include "bench/support/processes.h"
#include "bench/support/scheduling.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kRecordHeader = 16;
constexpr std::uint64_t kMostFrames = 4'000'000;
constexpr std::uint64_t kFramesForCalls = 200'000;

struct Lane {
  TrialPlan plan;
  int nicsim_core = kAnywhere;
  FileSummary summary;
};

Lane lane_of(Contestant contestant, const char* cores) {
  Lane lane;
  lane.plan.contestant = contestant;
  lane.summary.contestant = contestant;
  lane.summary.cores = cores;
  return lane;
}

// The receiver is on the first core always; only nicsim moves.
std::vector<Lane> lanes_of(const Settings& settings, pid_t nicsim) {
  const std::vector<int> cores = allowed_cores();
  std::vector<Lane> lanes;
  if (settings.has(Contestant::kRing)) {
    lanes.push_back(lane_of(Contestant::kRing, "one core"));
    lanes.back().nicsim_core = cores.front();
    if (cores.size() > 1) {
      lanes.push_back(lane_of(Contestant::kRing, "two cores"));
      lanes.back().nicsim_core = cores[1];
    }
    for (Lane& lane : lanes) lane.plan.nicsim = nicsim;
  }
  if (settings.has(Contestant::kPcap)) lanes.push_back(lane_of(Contestant::kPcap, "one core"));
  for (Lane& lane : lanes) lane.plan.receiver_core = cores.front();
  return lanes;
}

Trial run(const Lane& lane, const CaptureFile& file) {
  if (lane.plan.nicsim != 0 && !bind_process(lane.plan.nicsim, lane.nicsim_core))
    fail_by_errno("sched_setaffinity of nicsim");
  Trial trial = try_file(lane.plan, file);
  check_file_trial(trial, file);
  return trial;
}

void add_round(Lane& lane, const CaptureFile& file) {
  const Trial trial = run(lane, file);
  const auto frames = static_cast<double>(trial.tally.frames);
  lane.summary.frames_per_s.push_back(frames * 1e9 / static_cast<double>(trial.duration));
  lane.summary.receiver_ns.push_back(static_cast<double>(trial.receiver_time) / frames);
  lane.summary.nicsim_ns.push_back(static_cast<double>(trial.nicsim_time) / frames);
}

CallsOfFrame calls_of(Lane lane, Counted counted, const CaptureFile& file) {
  lane.plan.counted = counted;
  const Trial trial = run(lane, file);
  return each(trial.calls, trial.tally.frames);
}

void add_calls(Lane& lane, const CaptureFile& file) {
  lane.summary.receiver_calls = calls_of(lane, Counted::kReceiver, file);
  if (lane.plan.nicsim != 0) lane.summary.nicsim_calls = calls_of(lane, Counted::kNicsim, file);
}

}  // namespace

void measure_files(const Settings& settings, const Report& report, bool count_calls) {
  std::unique_ptr<OwnNicsim> nicsim;
  if (settings.has(Contestant::kRing)) nicsim = std::make_unique<OwnNicsim>(kAnywhere, 1);
  for (const std::uint32_t bytes : settings.sizes) {
    report.progress("file of frames of " + std::to_string(bytes) + " B");
    const std::uint64_t frames =
        std::min(settings.file_bytes / (bytes + kRecordHeader), kMostFrames);
    std::vector<Lane> lanes = lanes_of(settings, nicsim ? nicsim->process() : 0);
    const CaptureFile file(frames, bytes);
    for (std::uint64_t round = 0; round < settings.rounds; ++round)
      for (Lane& lane : lanes) add_round(lane, file);
    if (count_calls) {
      const CaptureFile smaller(std::min(frames, kFramesForCalls), bytes);
      for (Lane& lane : lanes) add_calls(lane, smaller);
    }
    std::vector<FileSummary> lines;
    for (const Lane& lane : lanes) lines.push_back(lane.summary);
    report.file(bytes, frames, lines);
  }
}

}  // namespace vmmc::bench
