// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/rtz/round.h"

#include <time.h>

#include <cstdio>
#include <cstring>
#include <optional>

#include "bench/support/machine.h"
#include "bench/support/pattern.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kAwakeBefore = 20'000;   // ns that a sender is up before a message is due
constexpr std::uint64_t kSilence = 300'000'000;  // after the last send: the rest is lost
constexpr std::uint64_t kLooksPerTimeCheck = 1024;

// In front of each message; its pattern follows.
struct Stamp {
  std::uint64_t number;
  std::uint64_t due;
  std::uint64_t sent;
};

// As a periodic task would: sleeps, and is awake a little before the time.
void wait_until(std::uint64_t due) {
  if (due > now() + kAwakeBefore) {
    const std::uint64_t wake = due - kAwakeBefore;
    const timespec time{static_cast<time_t>(wake / 1'000'000'000),
                        static_cast<long>(wake % 1'000'000'000)};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
  }
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

// Nothing: all has been sent, and no more comes.
std::span<const std::byte> next_message(Port& port, const RoundMemory& memory) {
  for (;;) {
    const bool all_sent = memory.all_sent.load(std::memory_order_acquire);
    if (!memory.round.spin) {
      const auto message = port.receive(kSilence);
      if (!message.empty() || all_sent) return message;
      continue;
    }
    const std::uint64_t give_up = now() + kSilence;
    for (std::uint64_t looks = 1;; ++looks) {
      const auto message = port.receive(0);
      if (!message.empty()) return message;
      __builtin_ia32_pause();
      if (looks % kLooksPerTimeCheck == 0 && now() > give_up) break;
    }
    if (all_sent) return {};
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
  memory.outcome.misses = misses;
  memory.outcome.lost = round.count - latency.count();
  memory.outcome.own_misses -= own_misses_before;
}

// Sends message `number` when it is due, and says when that was.
Stamp send_when_due(Port& port, const Round& round, std::uint64_t number) {
  const auto message = port.prepare(round.bytes);
  write_payload(message, {round.stream, number});
  Stamp stamp{.number = number, .due = round.start + number * round.period, .sent = 0};
  wait_until(stamp.due);
  stamp.sent = now();
  std::memcpy(message.data(), &stamp, sizeof stamp);
  port.send(round.bytes);
  return stamp;
}

void send_pings(Port& port, RoundMemory& memory) {
  const Round& round = memory.round;
  platform::Histogram half;
  for (std::uint64_t number = 0; number < round.warm_up + round.count; ++number) {
    const Stamp stamp = send_when_due(port, round, number);
    memory.all_sent.store(true, std::memory_order_release);  // so that a lost answer ends the wait
    const auto answer = next_message(port, memory);
    const std::uint64_t arrived = now();
    if (answer.empty()) continue;
    check_payload(answer, round.bytes, {round.stream + 1, stamp_of(answer).number});
    port.release();
    if (number >= round.warm_up) half.record((arrived - stamp.sent) / 2);
  }
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
    const Stamp stamp = stamp_of(message);
    check_payload(message, round.bytes, {round.stream, stamp.number});
    port.release();
    const auto answer = port.prepare(round.bytes);
    write_payload(answer, {round.stream + 1, stamp.number});
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
  if (memory.round.kind == RoundKind::kPingPong) return send_pings(port, memory);
  const Round& round = memory.round;
  for (std::uint64_t number = 0; number < round.warm_up + round.count; ++number)
    send_when_due(port, round, number);
  memory.all_sent.store(true, std::memory_order_release);
}

void receive_side(Port& port, RoundMemory& memory) {
  if (memory.round.kind == RoundKind::kPingPong) return answer_pings(port, memory);
  receive_one_way(port, memory);
}

}  // namespace vmmc::bench
