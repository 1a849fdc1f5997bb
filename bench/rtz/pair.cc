// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/pair.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "bench/support/machine.h"
#include "bench/support/scheduling.h"

namespace vmmc::bench {
namespace {

constexpr int kPriority = 20;                        // of SCHED_FIFO
constexpr std::uint64_t kHeadStart = 20'000'000;     // ns, until both sides are ready
constexpr std::uint64_t kLook = 100'000'000;         // ns, between two looks at the processes
constexpr std::uint64_t kPatience = 20'000'000'000;  // ns, beyond a round's own length

// Both sides, for a round with SCHED_FIFO. Back to normal at its end, so that nobody who only waits
// for a command is above the others.
class FifoForRound {
 public:
  explicit FifoForRound(RoundMemory& memory) : wanted_(memory.round.fifo) {
    if (wanted_ && !schedule_fifo(0, kPriority)) memory.fifo_refused = true;
  }
  ~FifoForRound() {
    if (wanted_) (void)schedule_normally(0);
  }
  FifoForRound(const FifoForRound&) = delete;
  FifoForRound& operator=(const FifoForRound&) = delete;

 private:
  bool wanted_;
};

}  // namespace

Pair::Pair(Contestant contestant, const PortPlan& plan, const CorePlan& cores)
    : contestant_(contestant) {
  const auto link = make_link(contestant);
  for (int side = 0; side < 2; ++side)
    processes_[side] = start_child(cores.processes[side], [&] { serve(*link, plan, side); });
  for (Gate& gate : done_) await(gate, 0);
}

Pair::~Pair() {
  memory_->round = {};
  for (Gate& gate : go_) gate.open();
  for (const pid_t process : processes_) join_child(process, contestant_name(contestant_));
}

const Outcome& Pair::run(Round round) {
  round.start = now() + kHeadStart;
  memory_->round = round;
  memory_->all_sent = false;
  for (Gate& gate : go_) gate.open();
  const std::uint64_t length = (round.warm_up + round.count) * round.period;
  for (Gate& gate : done_) await(gate, length);
  return memory_->outcome;
}

void Pair::await(Gate& gate, std::uint64_t timeout) {
  const std::uint64_t give_up = now() + timeout + kPatience;
  while (!gate.pass_within(kLook)) {
    // Who has failed has said why.
    for (const pid_t process : processes_)
      if (::waitpid(process, nullptr, WNOHANG) != 0) fail(contestant_name(contestant_), "failed");
    if (now() > give_up) fail(contestant_name(contestant_), "stands still");
  }
}

void Pair::serve(PortLink& link, PortPlan plan, int side) {
  plan.side = side;
  ::prctl(PR_SET_TIMERSLACK, 1);  // else the kernel lets a sender sleep 50 us longer than it asked
  const auto port = link.open(plan);
  done_[side].open();
  for (;;) {
    go_[side].pass();
    if (memory_->round.kind == RoundKind::kQuit) return;
    const FifoForRound fifo(*memory_);
    side == 0 ? send_side(*port, *memory_) : receive_side(*port, *memory_);
    done_[side].open();
  }
}

}  // namespace vmmc::bench
