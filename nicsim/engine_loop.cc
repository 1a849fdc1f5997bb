// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/engine_loop.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

namespace vmmc::nicsim {
namespace {

// Rounds of the loop without work after which a single queue is parked while others keep the loop
// busy.
constexpr std::uint32_t kQuietRounds = 4096;

// Looking for control messages and doorbells costs a system call, so it is done once in so many visits
// to queues: however many of them there are, who has rung waits no longer for it.
constexpr std::uint32_t kControlVisits = 256;

// A share of the receive rings takes as long as so many visits to queues.
constexpr std::uint32_t kRingVisits = 64;

// A queue that the pace holds, or that is stalled, is not parked; its process rings for its datagrams all
// the same.
void ask_to_ring(const Process& process) {
  if (process.real_time_channels == 0) return;
  process.channel.shared().doorbell.nic_sleeps.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

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
    const bool moved = serve_queues();
    if (serve_rings() || moved) {
      begin_wait();
      if (machine_.unexports_waiting()) machine_.settle_unexports();
      poll_control_at_times();
      continue;
    }
    if (held_) {
      wait_for_pace();
      continue;
    }
    poll_control_at_times();
    // Whoever reads a ring is about to make room, or the next frames are near.
    const bool looks = !active_.empty() || (rings_ != nullptr && rings_->worth_looking());
    if (!looks || wait_.step() == platform::AdaptiveWait::Advice::kSleep) sleep();
  }
}

// One visit to each queue. Those that stay quiet while others work are parked.
bool EngineLoop::serve_queues() {
  bool worked = machine_.real_time().serve();
  held_ = false;
  std::size_t first_held = 0;
  for (std::size_t i = 0; i < active_.size();) {
    ActiveQueue& queue = active_[i];
    const TransferEngine::Served served = engine_.serve(*queue.process);
    if (served == TransferEngine::Served::kHeld) {
      if (!std::exchange(held_, true)) first_held = i;
      queue.quiet_rounds = 0;
      ++i;
      continue;
    }
    const bool stalled = served == TransferEngine::Served::kStalled;
    if (stalled) stalled_.push_back(queue.process);
    if (served != TransferEngine::Served::kNothing) {
      queue.quiet_rounds = 0;
      queue.has_worked = true;
      worked = true;
    } else if (queue.process->awaited > 0) {
      machine_.found_empty(*queue.process);
    }
    if (stalled || (++queue.quiet_rounds >= kQuietRounds &&
                    queue.process->real_time_channels == 0 && queue.process->channel.park())) {
      queue.process->active = false;
      active_[i] = active_.back();
      active_.pop_back();
    } else {
      ++i;
    }
  }
  if (held_) give_turn_to(first_held);
  return worked;
}

bool EngineLoop::serve_rings() {
  if (rings_ == nullptr || !rings_->serve()) return false;
  visits_ += kRingVisits;
  return true;
}

// The next packet that the pace lets pass is this queue's.
void EngineLoop::give_turn_to(std::size_t queue) {
  const auto first = active_.begin() + static_cast<std::ptrdiff_t>(std::min(queue, active_.size()));
  std::rotate(active_.begin(), first, active_.end());
}

void EngineLoop::poll_control_at_times() {
  visits_ += std::max(1u, static_cast<std::uint32_t>(active_.size()));
  if (visits_ < kControlVisits) return;
  visits_ = 0;
  context_.poll();
}

void EngineLoop::park_quiet_queues() {
  std::erase_if(active_, [this](const ActiveQueue& queue) {
    // In the middle of a transfer there is something to do, whatever the client's memory says. Where an
    // unexport waits, too: what was published when it was asked for may be gone, and nobody rings then.
    const Process& process = *queue.process;
    if (process.transfer.active || process.awaited > 0 || !queue.process->channel.park())
      return false;
    queue.process->active = false;
    if (queue.has_worked || queue.process->real_time_channels > 0) {
      recent_.push_back(queue.process);
    }
    return true;
  });
}

// Nothing is to be done for a while. When something is again at the latest, for the trace's file.
Pace::Clock::time_point EngineLoop::say_pause() {
  if (machine_.recorder() != nullptr) machine_.recorder()->pause();
  const Pace::Clock::time_point save = machine_.instruments().trace.save_seldom();
  return rings_ == nullptr ? save : std::min(save, rings_->prepare_sleep());
}

// For a doorbell or a control message, but not for longer; and not for what has a real-time deadline. The
// queues have been parked: who has published since then rings.
void EngineLoop::wait_until(Pace::Clock::time_point until) {
  for (const ActiveQueue& queue : active_) ask_to_ring(*queue.process);
  for (const Process* const process : stalled_) ask_to_ring(*process);
  if (machine_.real_time().has_ready()) return;
  const std::uint64_t next = machine_.real_time().ns_to_next();
  if (next != UINT64_MAX) {
    until = std::min(until, Pace::Clock::now() + std::chrono::nanoseconds(next));
  }
  if (until == Pace::Clock::time_point::max()) {
    context_.run_one();
  } else {
    context_.run_one_until(until);
  }
}

// Those that have nothing to do are parked, so that a doorbell is heard of.
void EngineLoop::wait_for_pace() {
  park_quiet_queues();
  const Pace::Clock::time_point until = say_pause();
  if (stopping_) return;
  wait_until(std::min(until, machine_.instruments().pace.ask_again()));
  context_.poll();
  for (const ActiveQueue& queue : active_) queue.process->channel.unpark();
  reactivate_recent();
}

// Parks every queue and waits in the kernel for a doorbell or a control message.
void EngineLoop::sleep() {
  park_quiet_queues();
  const Pace::Clock::time_point until = say_pause();
  // Else stop() was heard of, or something came in.
  if (!stopping_ && active_.empty()) wait_until(until);
  reactivate_recent();
}

void EngineLoop::reactivate_recent() {
  for (Process* const process : recent_) activate(*process);
  recent_.clear();
  begin_wait();
}

// Looks until the next datagram of a channel that is in use: its deadline is no time to be woken in.
void EngineLoop::begin_wait() {
  const std::uint64_t interval = machine_.real_time().engine().shortest_interval();
  wait_.set_budget(platform::AdaptiveWait::budget_for(interval));
  wait_.reset();
}

}  // namespace vmmc::nicsim
