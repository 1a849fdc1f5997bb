// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/round.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "bench/support/machine.h"
#include "bench/support/pattern.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

// After the last send: the rest is lost. Longer than what the kernel may be kept by real-time processes from
// delivering (0.95 s of each second, sched_rt_runtime_us): that is late and not lost.
constexpr std::uint64_t kSilence = 2'000'000'000;
constexpr std::uint64_t kLooksPerTimeCheck = 1024;

// In front of each message; its pattern follows.
struct Stamp {
  std::uint32_t number;
  std::uint32_t stream;
  std::uint64_t due;
  std::uint64_t sent;
};

void sleep_until(std::uint64_t wake) {
  const timespec time{static_cast<time_t>(wake / 1'000'000'000),
                      static_cast<long>(wake % 1'000'000'000)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

// What nine of ten short sleeps overshoot by here and now, and a little more. Until shortly before `start`.
std::uint64_t awake_in_time(std::uint64_t start) {
  constexpr std::uint64_t kSleep = 50'000;
  constexpr std::uint64_t kMore = 20'000;
  constexpr std::uint64_t kMost = 150'000;
  constexpr std::uint64_t kMargin = 2'000'000;
  std::vector<std::uint64_t> overshoots{0};
  for (std::uint64_t time = now(); time + kSleep + kMargin < start; time = now()) {
    sleep_until(time + kSleep);
    overshoots.push_back(now() - time - kSleep);
  }
  const auto ninth = overshoots.begin() + static_cast<std::ptrdiff_t>(overshoots.size() * 9 / 10);
  std::nth_element(overshoots.begin(), ninth, overshoots.end());
  return std::min(*ninth + kMore, kMost);
}

// As a periodic task would: sleeps, and is awake a little before the time.
void wait_until(std::uint64_t due, std::uint64_t awake) {
  if (due > now() + awake) sleep_until(due - awake);
  while (now() < due) __builtin_ia32_pause();
}

void write_payload(std::span<std::byte> message, MessageNumber number) {
  fill_pattern(message.subspan(sizeof(Stamp)), number);
}

Stamp stamp_of(std::span<const std::byte> message) {
  Stamp stamp{};
  if (message.size() < sizeof stamp) fail("corrupted payload", "a message is too short");
  std::memcpy(&stamp, message.data(), sizeof stamp);
  return stamp;
}

void check_payload(std::span<const std::byte> message, std::uint32_t bytes, MessageNumber number) {
  if (message.size() != bytes) fail("corrupted payload", "a message has the wrong length");
  const auto pattern = message.subspan(sizeof(Stamp));
  if (const auto wrong = find_corruption(pattern, number))
    fail("corrupted payload", describe_corruption(pattern, number, *wrong));
}

// Nothing: none came for so long that what was under way is lost.
std::span<const std::byte> wait_for_any(Port& port, bool spin) {
  if (!spin) return port.receive(kSilence);
  const std::uint64_t give_up = now() + kSilence;
  for (std::uint64_t looks = 1;; ++looks) {
    const auto message = port.receive(0);
    if (!message.empty()) return message;
    __builtin_ia32_pause();
    if (looks % kLooksPerTimeCheck == 0 && now() > give_up) return {};
  }
}

// Message `least` of this stream or a later one. Those before it, and of other streams, were given up for lost.
std::span<const std::byte> wait_for_message(Port& port, bool spin, MessageNumber least) {
  for (;;) {
    const auto message = wait_for_any(port, spin);
    if (message.empty()) return message;
    const Stamp stamp = stamp_of(message);
    if (stamp.stream == least.stream && stamp.number >= least.sequence) return message;
    port.release();
  }
}

// Nothing: all has been sent, and no more comes.
std::span<const std::byte> next_message(Port& port, const RoundMemory& memory) {
  for (;;) {
    const bool all_sent = memory.all_sent.load(std::memory_order_acquire);
    const auto message = wait_for_message(port, memory.round.spin, {memory.round.stream, 0});
    if (!message.empty() || all_sent) return message;
  }
}

void store_outcome(Outcome& outcome, const platform::Histogram& latency,
                   const platform::Histogram& from_send, const Port& port) {
  outcome.latency.store(latency);
  outcome.from_send.store(from_send);
  outcome.received = latency.count();
  outcome.own_misses = port.own_misses();
  std::snprintf(outcome.path, sizeof outcome.path, "%s", port.path().c_str());
}

void receive_one_way(Port& port, RoundMemory& memory) {
  const Round& round = memory.round;
  const std::uint64_t total = round.warm_up + round.count;
  const std::uint64_t own_misses_before = port.own_misses();
  platform::Histogram latency;
  platform::Histogram from_send;
  std::uint64_t misses = 0;
  for (std::uint64_t received = 0; received < total; ++received) {
    const auto message = next_message(port, memory);
    const std::uint64_t arrived = now();
    if (message.empty()) break;
    const Stamp stamp = stamp_of(message);
    check_payload(message, round.bytes, {round.stream, stamp.number});
    port.release();
    if (stamp.number < round.warm_up) continue;
    latency.record(arrived - stamp.due);
    from_send.record(arrived - stamp.sent);
    if (arrived - stamp.due > round.deadline) ++misses;
  }
  store_outcome(memory.outcome, latency, from_send, port);
  memory.outcome.lost = round.count - latency.count();
  memory.outcome.misses = misses + memory.outcome.lost;
  memory.outcome.own_misses -= own_misses_before;
}

// Sends message `number` when it is due, and says when that was.
Stamp send_when_due(Port& port, const Round& round, std::uint64_t number) {
  const auto message = port.prepare(round.bytes);
  write_payload(message, {round.stream, number});
  Stamp stamp{.number = static_cast<std::uint32_t>(number),
              .stream = round.stream,
              .due = round.start + number * round.period,
              .sent = 0};
  wait_until(stamp.due, round.awake);
  stamp.sent = now();
  std::memcpy(message.data(), &stamp, sizeof stamp);
  port.send(round.bytes);
  return stamp;
}

void send_pings(Port& port, const Round& round, RoundMemory& memory) {
  platform::Histogram half;
  for (std::uint64_t number = 0; number < round.warm_up + round.count; ++number) {
    const Stamp stamp = send_when_due(port, round, number);
    const auto answer = wait_for_message(port, round.spin, {round.stream + 1, number});
    const std::uint64_t arrived = now();
    if (answer.empty()) continue;
    check_payload(answer, round.bytes, {round.stream + 1, stamp_of(answer).number});
    port.release();
    if (number >= round.warm_up) half.record((arrived - stamp.sent) / 2);
  }
  memory.all_sent.store(true, std::memory_order_release);
  store_outcome(memory.outcome, half, half, port);
  memory.outcome.misses = 0;
  memory.outcome.own_misses = 0;
  memory.outcome.lost = round.count - half.count();
}

void answer_pings(Port& port, RoundMemory& memory) {
  const Round& round = memory.round;
  for (std::uint64_t answered = 0; answered < round.warm_up + round.count; ++answered) {
    const auto message = next_message(port, memory);
    if (message.empty()) return;
    Stamp stamp = stamp_of(message);
    check_payload(message, round.bytes, {round.stream, stamp.number});
    port.release();
    const auto answer = port.prepare(round.bytes);
    write_payload(answer, {round.stream + 1, stamp.number});
    stamp.stream = round.stream + 1;
    std::memcpy(answer.data(), &stamp, sizeof stamp);
    port.send(round.bytes);
  }
}

}  // namespace

void HistogramImage::store(const platform::Histogram& histogram) {
  std::memcpy(counts.data(), histogram.counts().data(), sizeof counts);
  exact = histogram.exact();
}

void HistogramImage::merge_into(platform::Histogram& histogram) const {
  histogram.merge(counts, exact);
}

void send_side(Port& port, RoundMemory& memory) {
  Round round = memory.round;
  if (round.awake == 0) round.awake = awake_in_time(round.start);
  memory.outcome.awake = round.awake;
  if (round.kind == RoundKind::kPingPong) return send_pings(port, round, memory);
  for (std::uint64_t number = 0; number < round.warm_up + round.count; ++number)
    send_when_due(port, round, number);
  memory.all_sent.store(true, std::memory_order_release);
}

void receive_side(Port& port, RoundMemory& memory) {
  if (memory.round.kind == RoundKind::kPingPong) return answer_pings(port, memory);
  receive_one_way(port, memory);
}

}  // namespace vmmc::bench
