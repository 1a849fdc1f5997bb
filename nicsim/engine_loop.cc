// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/engine_loop.h"

#include <algorithm>

namespace vmmc::nicsim {
namespace {

// Rounds of the loop without work after which a single queue is parked while others keep the loop
// busy.
constexpr std::uint32_t kQuietRounds = 4096;

// Looking for control messages and doorbells costs a system call, so it is done once in so many visits
// to queues: however many of them there are, who has rung waits no longer for it.
constexpr std::uint32_t kControlVisits = 256;

}  // namespace

void EngineLoop::attached(Process& process) {
  // The queue is empty: no descriptor can have been published before the client had its channel.
  process.channel.park();
}

void EngineLoop::doorbell(Process& process) {
  process.notifications.refill();
  activate(process);
  for (std::size_t i = 0; i < stalled_.size();) {
    if (stalled_[i]->stalled_on == &process) {
      activate(*stalled_[i]);  // takes it out of the list
    } else {
      ++i;
    }
  }
}

void EngineLoop::activate(Process& process) {
  if (process.stalled_on != nullptr) {
    process.stalled_on = nullptr;
    std::erase(stalled_, &process);
  }
  if (process.active) return;
  process.active = true;
  process.channel.unpark();
  active_.push_back({&process, 0, false});
}

void EngineLoop::leaving(Process& process) {
  doorbell(process);  // nobody waits for it any more
  process.active = false;
  std::erase(recent_, &process);
  std::erase_if(active_, [&](const ActiveQueue& queue) { return queue.process == &process; });
}

void EngineLoop::run() {
  while (!stopping_) {
    if (serve_queues()) {
      wait_.reset();
      if (machine_.unexports_waiting()) machine_.settle_unexports();
      poll_control_at_times();
      continue;
    }
    poll_control_at_times();
    if (active_.empty() || wait_.step() == platform::AdaptiveWait::Advice::kSleep) sleep();
  }
}

// One visit to each queue. Those that stay quiet while others work are parked.
bool EngineLoop::serve_queues() {
  bool worked = false;
  for (std::size_t i = 0; i < active_.size();) {
    ActiveQueue& queue = active_[i];
    const TransferEngine::Served served = engine_.serve(*queue.process);
    const bool stalled = served == TransferEngine::Served::kStalled;
    if (stalled) stalled_.push_back(queue.process);
    if (served != TransferEngine::Served::kNothing) {
      queue.quiet_rounds = 0;
      queue.has_worked = true;
      worked = true;
    } else if (queue.process->awaited > 0) {
      machine_.found_empty(*queue.process);
    }
    if (stalled || (++queue.quiet_rounds >= kQuietRounds && queue.process->channel.park())) {
      queue.process->active = false;
      active_[i] = active_.back();
      active_.pop_back();
    } else {
      ++i;
    }
  }
  return worked;
}

void EngineLoop::poll_control_at_times() {
  visits_ += std::max(1u, static_cast<std::uint32_t>(active_.size()));
  if (visits_ < kControlVisits) return;
  visits_ = 0;
  context_.poll();
}

// Parks every queue and waits in the kernel for a doorbell or a control message.
void EngineLoop::sleep() {
  std::erase_if(active_, [this](const ActiveQueue& queue) {
    if (!queue.process->channel.park()) return false;
    queue.process->active = false;
    if (queue.has_worked) recent_.push_back(queue.process);
    return true;
  });
  if (machine_.recorder() != nullptr) machine_.recorder()->pause();
  // Else stop() was heard of, or something came in.
  if (!stopping_ && active_.empty()) context_.run_one();
  for (Process* const process : recent_) activate(*process);
  recent_.clear();
  wait_.reset();
}

}  // namespace vmmc::nicsim
