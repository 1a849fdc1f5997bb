// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ring/trial.h"

#include <sys/resource.h>

#include <atomic>
#include <functional>

#include "bench/support/machine.h"
#include "bench/support/processes.h"
#include "bench/support/scheduling.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kLook = 10'000'000;      // ns
constexpr std::uint64_t kSilence = 500'000'000;  // after the last frame was sent: the rest is lost
constexpr std::uint64_t kPatience = 60'000'000'000;

std::uint64_t ns_of(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_usec) * 1000;
}

// ns that this process has had a core. The sum is exact; what of it was the kernel's is only sampled.
std::uint64_t own_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
}

struct Stage {
  Trial trial;  // what the receiver knows
  std::atomic<bool> all_sent;
  std::atomic<std::uint64_t> frames_sent;
};

// The receiver's process, and the counting of its system calls.
class Stand {
 public:
  Stand(const TrialPlan& plan, const std::function<void(Stage&, Gate&)>& work) : plan_(plan) {
    process_ = start_child(plan.receiver_core, [&] {
      go_.pass();
      work(*stage_, ready_);
    });
    if (plan.counted == Counted::kReceiver) calls_.emplace(process_);
    if (plan.counted == Counted::kNicsim) calls_.emplace(plan.nicsim);
    if (plan.nicsim != 0) nicsim_before_ = processor_time(plan.nicsim);
    go_.open();
  }

  void await_ready() {
    if (!ready_.pass_within(kPatience)) fail(contestant_name(plan_.contestant), "does not open");
  }

  Trial finish() {
    join_child(process_, contestant_name(plan_.contestant));
    Trial trial = stage_->trial;
    if (plan_.nicsim != 0) trial.nicsim_time = processor_time(plan_.nicsim) - nicsim_before_;
    if (calls_) trial.calls = calls_->finish();
    return trial;
  }

  Stage& stage() { return *stage_; }

 private:
  TrialPlan plan_;
  Shared<Stage> stage_;
  Gate go_;
  Gate ready_;
  pid_t process_;
  std::uint64_t nicsim_before_ = 0;
  std::optional<CallCount> calls_;
};

void receive_file(Contestant contestant, int file, Trial& trial) {
  const std::uint64_t start = now();
  const std::uint64_t time_before = own_time();
  const auto receiver = open_file(contestant, file);
  while (receiver->drain(trial.tally, kPatience)) continue;
  trial.duration = now() - start;
  trial.receiver_time = own_time() - time_before;
  trial.losses = receiver->losses();
}

void receive_interface(Contestant contestant, Stage& stage, Gate& ready) {
  const auto receiver =
      open_interface(contestant, contestant == Contestant::kTap ? kTapName : kReceivingEnd);
  Tally& tally = stage.trial.tally;
  const Losses before = receiver->losses();
  const std::uint64_t time_before = own_time();
  ready.open();
  for (std::uint64_t last_frame = now();;) {
    const std::uint64_t frames_before = tally.frames;
    const bool all_sent = stage.all_sent.load(std::memory_order_acquire);
    receiver->drain(tally, kLook);
    const std::uint64_t time = now();
    if (tally.frames != frames_before || !all_sent) last_frame = time;
    if (all_sent && (tally.frames >= stage.frames_sent || time - last_frame > kSilence)) break;
  }
  stage.trial.receiver_time = own_time() - time_before;
  stage.trial.losses = receiver->losses();
  stage.trial.losses.frames -= before.frames;
}

}  // namespace

Trial try_file(const TrialPlan& plan, const CaptureFile& file) {
  Stand stand(plan, [&](Stage& stage, Gate&) {
    receive_file(plan.contestant, file.descriptor(), stage.trial);
  });
  return stand.finish();
}

Trial try_interface(const TrialPlan& plan, std::uint32_t bytes, std::uint64_t rate,
                    std::uint64_t duration) {
  Stand stand(plan,
              [&](Stage& stage, Gate& ready) { receive_interface(plan.contestant, stage, ready); });
  stand.await_ready();
  FrameSender sender(plan.contestant == Contestant::kTap ? kTapName : kSendingEnd, bytes);
  const std::uint64_t dropped_before = interface_drops(kReceivingEnd).receiving;
  const FrameSender::Sent sent = sender.send(rate, duration);
  stand.stage().frames_sent = sent.frames;
  stand.stage().all_sent.store(true, std::memory_order_release);
  Trial trial = stand.finish();
  trial.sent = sent;
  trial.lost_on_the_way = interface_drops(kReceivingEnd).receiving - dropped_before;
  return trial;
}

void check_file_trial(const Trial& trial, const CaptureFile& file) {
  const Tally& expected = file.expected();
  if (trial.tally.frames != expected.frames || trial.tally.sum != expected.sum ||
      trial.tally.bytes != expected.bytes || trial.tally.wrong != 0) {
    fail("file replay", "the frames are not those of the file");
  }
}

void check_interface_trial(const TrialPlan& plan, const Trial& trial) {
  const std::string who = contestant_name(plan.contestant);
  const Tally& tally = trial.tally;
  const std::uint64_t lost = trial.losses.frames + trial.lost_on_the_way;
  if (tally.wrong != 0) fail(who, "frames came cut off or out of order");
  if (tally.frames > trial.sent.frames) fail(who, "more frames came than were sent");
  if (tally.frames == trial.sent.frames && tally.sum != trial.sent.sum)
    fail(who, "bytes of frames are wrong");
  if (tally.frames + lost < trial.sent.frames) {
    fail(who, std::to_string(trial.sent.frames - tally.frames - lost) + " of " +
                  std::to_string(trial.sent.frames) +
                  " frames are unaccounted for: " + std::to_string(tally.frames) + " received, " +
                  std::to_string(trial.losses.frames) + " lost by the receiver, " +
                  std::to_string(trial.lost_on_the_way) + " on the way");
  }
}

}  // namespace vmmc::bench
