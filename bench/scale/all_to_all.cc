// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Everybody sends to everybody, round by round.
//
//   buffer of each process   one slot per sender:  | word | 4096 B, even rounds | odd rounds |
//
// In round r a process sends its message to all others and waits until it has all of theirs: nobody
// is more than one round ahead, so what a slot holds in a round is not overwritten before it has been
// read. The word is the message of 8 bytes; that of 4 KiB is followed by it, a second send.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "bench/scale/crew.h"
#include "bench/scale/settings.h"
#include "bench/support/machine.h"

namespace vmmc::bench {
namespace {

constexpr std::uint32_t kBuffer = 1;
constexpr std::size_t kWordBytes = 64;
constexpr std::size_t kMessageBytes = 4096;
constexpr std::size_t kSlotBytes = kWordBytes + 2 * kMessageBytes;
constexpr std::size_t kWords = kMessageBytes / sizeof(std::uint64_t);
constexpr std::chrono::seconds kPatience{300};

struct Plan {
  std::uint32_t processes;
  std::uint64_t bytes;  // of a message: 8 or kMessageBytes
  vmmc_executor executor;
  vmmc_wait_strategy wait;
  std::uint64_t rounds;
  std::uint64_t warm_up;
};

struct Outcome {
  std::uint64_t start;
  std::uint64_t end;
  platform::Histogram::Exact exact;
  vmmc_counters before;
  vmmc_counters after;
  std::uint64_t counts[platform::Histogram::kBuckets];
};

// One process's part.
class Member {
 public:
  Member(const Plan& plan, std::uint32_t number)
      : plan_(plan),
        me_(number),
        attachment_(attach_as(number)),
        memory_(must(memory::allocate(whole_pages(plan.processes * kSlotBytes)), "vmmc_alloc")),
        message_(must(memory::allocate(kMessageBytes), "vmmc_alloc")),
        buffer_(must(receive_buffer::export_memory(memory_.bytes(), kBuffer), "vmmc_export")) {
    must(to_result(vmmc_set_wait_strategy(plan.wait)), "vmmc_set_wait_strategy");
    for (std::uint32_t i = 1; i < plan.processes; ++i) {
      const std::uint32_t peer = (me_ + i) % plan.processes;
      peers_.push_back({peer, must(proxy::import(Crew::identity_of(peer), kBuffer,
                                                 {VMMC_WRITE, static_cast<uint32_t>(plan.executor),
                                                  60'000'000'000}),
                                   "vmmc_import")});
    }
  }

  void run(Gate& ready, Gate& begin, Outcome& outcome) {
    for (std::uint64_t round = 1; round <= plan_.warm_up; ++round) exchange(round);
    platform::Histogram times;
    outcome.before = must(counters(), "vmmc_get_counters");
    ready.open();
    begin.pass();
    outcome.start = now();
    std::uint64_t before = outcome.start;
    for (std::uint64_t i = 1; i <= plan_.rounds; ++i) {
      exchange(plan_.warm_up + i);
      const std::uint64_t after = now();
      times.record(after - before);
      before = after;
    }
    outcome.end = before;
    must(fence(), "vmmc_fence");
    outcome.after = must(counters(), "vmmc_get_counters");
    outcome.exact = times.exact();
    std::copy(times.counts().begin(), times.counts().end(), outcome.counts);
  }

 private:
  struct Peer {
    std::uint32_t number;
    proxy to;
  };

  // Anything else could not be lent to the host executor.
  static std::size_t whole_pages(std::size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

  static std::size_t message_place(std::uint32_t sender, std::uint64_t round) {
    return sender * kSlotBytes + kWordBytes + round % 2 * kMessageBytes;
  }
  static std::uint64_t pattern(std::uint32_t sender, std::uint64_t round) {
    return (round << 32) + (std::uint64_t{sender} << 16);
  }

  void exchange(std::uint64_t round) {
    const bool is_long = plan_.bytes > sizeof round;
    if (is_long) {
      const auto words = message_.as<std::uint64_t>();
      for (std::size_t i = 0; i < kWords; ++i) words[i] = pattern(me_, round) + i;
    }
    for (const Peer& peer : peers_) {
      if (is_long) must(peer.to.send(message_.bytes(), message_place(me_, round)), "vmmc_send");
      must(peer.to.send(round, me_ * kSlotBytes), "vmmc_send");
    }
    for (const Peer& peer : peers_) {
      const auto* slot = memory_.bytes().data() + peer.number * kSlotBytes;
      const auto& word = *reinterpret_cast<const std::uint64_t*>(slot);
      must(wait(word, VMMC_AT_LEAST, round, plan_.wait, kPatience), "waiting for a message");
      if (is_long) check(peer.number, round);
    }
  }

  void check(std::uint32_t sender, std::uint64_t round) const {
    const auto* words = reinterpret_cast<const std::uint64_t*>(memory_.bytes().data() +
                                                               message_place(sender, round));
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < kWords; ++i) wrong |= words[i] ^ (pattern(sender, round) + i);
    if (wrong != 0) fail("all-to-all", "a message has wrong bytes");
  }

  const Plan& plan_;
  const std::uint32_t me_;
  attachment attachment_;
  memory memory_;
  memory message_;
  receive_buffer buffer_;
  std::vector<Peer> peers_;
};

void report(const Settings& settings, const Plan& plan, Shared<Outcome>& outcomes) {
  platform::Histogram rounds;
  std::uint64_t start = UINT64_MAX, end = 0, doorbells = 0, wakeups = 0, nic = 0, host = 0,
                full = 0;
  for (const Outcome& one : outcomes) {
    start = std::min(start, one.start);
    end = std::max(end, one.end);
    doorbells += one.after.doorbells - one.before.doorbells;
    wakeups += one.after.wakeups - one.before.wakeups;
    nic += one.after.nic_executor_sends - one.before.nic_executor_sends;
    host += one.after.host_executor_sends - one.before.host_executor_sends;
    full += one.after.queue_full_waits - one.before.queue_full_waits;
    rounds.merge(one.counts, one.exact);
  }
  const double messages = static_cast<double>(plan.rounds) * plan.processes * (plan.processes - 1);
  Line("all-to-all")
      .add("processes", std::uint64_t{plan.processes})
      .add("bytes", plan.bytes)
      .add("executor", std::string(executor_used(nic, host)))
      .add("wait", std::string(vmmc_wait_strategy_name(plan.wait)))
      .add("messages_per_s", messages * 1e9 / static_cast<double>(end - start))
      .add("round_p50_us", static_cast<double>(rounds.percentile(50)) / 1e3)
      .add("round_p99_us", static_cast<double>(rounds.percentile(99)) / 1e3)
      .add("rounds", rounds.count())
      .add("doorbells_per_1000", 1000.0 * static_cast<double>(doorbells) / messages)
      .add("wakeups_per_1000", 1000.0 * static_cast<double>(wakeups) / messages)
      .add("full_waits_per_1000", 1000.0 * static_cast<double>(full) / messages)
      .print(settings);
}

void measure(const Settings& settings, const Plan& plan) {
  Gate ready, begin, done, leave;
  Shared<Outcome> outcomes(plan.processes);
  Crew crew;
  for (std::uint32_t i = 0; i < plan.processes; ++i) {
    crew.add([&](std::uint32_t number) {
      Member member(plan, number);
      member.run(ready, begin, outcomes[number]);
      done.open();
      leave.pass();  // nobody leaves while others may still send to him
    });
  }
  ready.pass(plan.processes);
  begin.open(plan.processes);
  done.pass(plan.processes);
  leave.open(plan.processes);
  crew.join();
  report(settings, plan, outcomes);
}

}  // namespace

void measure_all_to_all(const Settings& settings) {
  for (const vmmc_executor executor : settings.executors) {
    for (const vmmc_wait_strategy wait : settings.waits) {
      for (const std::uint64_t bytes : {std::uint64_t{8}, std::uint64_t{kMessageBytes}}) {
        for (const std::uint32_t processes : settings.processes) {
          const std::uint64_t each = std::uint64_t{processes} * (processes - 1);
          const std::uint64_t rounds =
              std::max<std::uint64_t>(settings.messages / (bytes > 8 ? 4 : 1) / each, 4);
          measure(settings, {processes, bytes, executor, wait, rounds, rounds / 10 + 2});
        }
      }
    }
  }
}

}  // namespace vmmc::bench
