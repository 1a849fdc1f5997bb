// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <sched.h>
#include <time.h>

#include <cstring>
#include <ctime>

#include "bench/pingpong/tasks.h"
#include "bench/support/machine.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kCreditEvery =
    kFixedRateSlots / 4;  // messages between two words of the receiver to the sender
constexpr std::uint64_t kHeadStart = 20'000'000;  // ns for the responder to get the command

// Sleeps while the time is far, then gives the core away again and again: the receiver may need it.
void wait_until(std::uint64_t due) {
  constexpr std::uint64_t kSleepMargin = 100'000;  // ns, more than a sleep usually takes too long
  for (std::uint64_t time = now(); time < due; time = now()) {
    if (due - time <= kSleepMargin) {
      ::sched_yield();
      continue;
    }
    const std::uint64_t until = due - kSleepMargin;
    const timespec target{.tv_sec = static_cast<std::time_t>(until / 1'000'000'000),
                          .tv_nsec = static_cast<long>(until % 1'000'000'000)};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &target, nullptr);
  }
}

// The responder's histogram travels through slot 0 of a message of its size.
constexpr SlotLayout kHistogramLayout{platform::Histogram::kBuckets * sizeof(std::uint64_t)};

}  // namespace

FixedRateResult measure_fixed_rate(Link& link, std::uint64_t bytes, std::uint64_t count,
                                   std::uint64_t period) {
  const SlotLayout layout{bytes};
  const std::uint64_t start = now() + kHeadStart;
  link.clear(kHistogramLayout, 0);
  const std::uint32_t stream = link.give({.task = Task::kFixedRate,
                                          .stream = 0,
                                          .bytes = bytes,
                                          .slots = kFixedRateSlots,
                                          .count = count,
                                          .start = start,
                                          .period = period});
  FixedRateResult result{};
  link.await_ready();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t due = start + i * period;
    link.fill(layout, i % kFixedRateSlots, {2 * stream, i});
    if (i >= kFixedRateSlots) link.await_consumed(i - kFixedRateSlots + 1);
    wait_until(due);
    result.lateness.record(now() - due);
    link.send_message(layout, i % kFixedRateSlots);
  }
  link.await_message(kHistogramLayout, 0);
  result.duration = now() - start;
  const auto* counts =
      reinterpret_cast<const std::uint64_t*>(link.received(kHistogramLayout, 0).data());
  result.latency.merge({counts, platform::Histogram::kBuckets}, link.control().exact);
  return result;
}

void answer_fixed_rate(Link& link, const Command& command) {
  const SlotLayout layout{command.bytes};
  for (std::uint64_t slot = 0; slot < kFixedRateSlots; ++slot) link.clear(layout, slot);
  link.say_consumed(0);
  link.say_ready();
  platform::Histogram latency;
  for (std::uint64_t i = 0; i < command.count; ++i) {
    link.await_message(layout, i % kFixedRateSlots);
    latency.record(now() - (command.start + i * command.period));
    link.check(layout, i % kFixedRateSlots, {2 * command.stream, i});
    link.clear(layout, i % kFixedRateSlots);
    if ((i + 1) % kCreditEvery == 0) link.say_consumed(i + 1);
  }
  const platform::Histogram::Exact exact = latency.exact();
  link.send(&exact, &link.remote_control()->exact, sizeof exact);
  std::memcpy(link.source(kHistogramLayout, 0).data(), latency.counts().data(),
              kHistogramLayout.bytes);
  link.send_message(kHistogramLayout, 0);
}

}  // namespace vmmc::bench
