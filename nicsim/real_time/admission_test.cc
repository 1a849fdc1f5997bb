// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/admission.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace vmmc::nicsim::real_time {
namespace {

using wire::Status;

constexpr AdmissionLimits kLimits{
    .packet_ns = 1000, .share = 750, .memory = 1 << 20, .channels = 8};

std::optional<Refusal> ask(const std::vector<Budget>& there, const Budget& added,
                           std::uint64_t memory = 0, const AdmissionLimits& limits = kLimits) {
  return refuse(limits,
                {.budgets = there, .channels = there.size(), .of_process = 0, .memory = 1000},
                added, memory);
}

TEST_CASE("numbers that make no sense") {
  const Budget good{1, 100'000, 50'000, 64};
  CHECK(!ask({}, good));
  for (const Budget& bad :
       {Budget{0, 100'000, 50'000, 64}, Budget{1'000'001, 100'000, 50'000, 64},
        Budget{1, 999, 50'000, 64}, Budget{1, wire::kLongestPeriod + 1, 50'000, 64},
        Budget{1, 100'000, 0, 64}, Budget{1, 100'000, UINT64_MAX, 64},
        Budget{1, 100'000, 50'000, 0}, Budget{1, 100'000, 50'000, wire::kLongestDatagram + 1},
        Budget{UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX}}) {
    const auto why = ask({}, bad);
    REQUIRE(why);
    CHECK(why->status == Status::kBadBudget);
  }
}

TEST_CASE("memory and number of channels, with the figures") {
  const Budget small{1, wire::kLongestPeriod, wire::kLongestPeriod, 1};
  auto why = ask({}, small, 1 << 20);
  REQUIRE(why);
  CHECK(why->status == Status::kReservationFull);
  CHECK(why->needed == 1 << 20);
  CHECK(why->available == (1 << 20) - 1000);
  CHECK(!ask({}, small, (1 << 20) - 1000));
  CHECK(ask({}, small, UINT64_MAX)->status == Status::kReservationFull);
  why = ask(std::vector<Budget>(8, small), small);
  REQUIRE(why);
  CHECK(why->status == Status::kTooManyChannels);
  CHECK(why->available == 8);
}

TEST_CASE("share of the network interface") {
  // 4 packets in 10 us are 400 thousandths.
  const Budget half{2, 10'000, 1'000'000, 8192};
  CHECK(!ask({}, half));
  const auto why = ask({half}, half);
  REQUIRE(why);
  CHECK(why->status == Status::kNicOvercommitted);
  CHECK(why->needed == 800);
  CHECK(why->available == 750);
  // The worst numbers do not wrap around to something small.
  const auto most = ask({}, {1'000'000, 1000, 1, wire::kLongestDatagram}, 0,
                        {.packet_ns = kMostPacketNs, .memory = 0});
  REQUIRE(most);
  CHECK(most->status == Status::kNicOvercommitted);
  CHECK(most->needed > 1'000'000'000'000);
}

TEST_CASE("a deadline that cannot be kept: one's own, or another's") {
  // Its own packet and one that has begun.
  CHECK(!ask({}, {1, 100'000, 2000, 64}));
  auto why = ask({}, {1, 100'000, 1999, 64});
  REQUIRE(why);
  CHECK(why->status == Status::kDeadlineTooShort);
  CHECK(why->needed == 2000);
  CHECK(why->available == 1999);
  // Three messages at once, each of two packets.
  CHECK(!ask({}, {3, 100'000, 7000, 4097}));
  CHECK(ask({}, {3, 100'000, 6999, 4097})->needed == 7000);
  // The new one comes first and makes an old one late.
  const Budget old{1, 100'000, 3000, 64};
  CHECK(!ask({old}, {1, 100'000, 2500, 64}));
  why = ask({old}, {2, 100'000, 3000, 64});
  REQUIRE(why);
  CHECK(why->status == Status::kDeadlineTooShort);
  CHECK(why->available == 3000);
  why = ask({old}, {2, 100'000, 10'000, 64});
  CHECK(!why);
}

TEST_CASE("a later message of the busy period may be the one that is late") {
  // Davis, Burns, Bril and Lukkien's point: looking at the first instance alone is not enough.
  const std::vector<Budget> set{{1, 2500, 2500, 1}, {1, 3500, 3500, 1}, {1, 3500, 3500, 1}};
  const AdmissionLimits limits{.packet_ns = 1000, .share = 950};
  CHECK(response_time(limits, set, 2) > 3500);
}

// Every message of the busy period, however many there are.
std::uint64_t exact_response_time(const AdmissionLimits& limits, const std::vector<Budget>& set,
                                  std::size_t which) {
  const auto burst = [&](const Budget& budget) {
    return std::uint64_t{budget.messages} * packets_of(budget.longest) * limits.packet_ns;
  };
  // The smallest t with t == work + what the more urgent ones, and itself if `with_own`, need up to
  // t.
  const auto settle = [&](std::uint64_t work, bool with_own, std::uint64_t more) {
    for (std::uint64_t at = work;;) {
      std::uint64_t sum = work;
      for (std::size_t i = 0; i < set.size(); ++i) {
        if (i == which ? !with_own : set[i].deadline > set[which].deadline) continue;
        sum += (at + more + set[i].period - 1) / set[i].period * burst(set[i]);
      }
      if (sum == at) return at;
      at = sum;
    }
  };
  const std::uint64_t busy = settle(limits.packet_ns, true, 0);
  std::uint64_t longest = 0;
  for (std::uint64_t n = 0; n * set[which].period < busy; ++n) {
    const std::uint64_t start = settle((n + 1) * burst(set[which]), false, 1);
    longest = std::max(longest, start + limits.packet_ns - n * set[which].period);
  }
  return longest;
}

TEST_CASE("what is not looked at to the end is taken for longer than it is, not shorter") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  MESSAGE("seed ", seed);
  std::mt19937_64 engine(seed);
  const AdmissionLimits limits{.packet_ns = 1000, .share = 950};
  std::size_t exact = 0;
  std::size_t longer = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Budget> set;
    for (int n = 0; n < 12; ++n) {
      // Long bursts beside short periods: many messages in one busy period.
      const std::uint64_t period =
          n % 3 == 0 ? 10'000'000 + engine() % 10'000'000 : 5'000 + engine() % 50'000;
      const auto messages = static_cast<std::uint32_t>(1 + engine() % (period / 4'000));
      set.push_back({messages, period, 1 + engine() % 20'000'000, 64});
      if (utilisation(limits, set) > limits.share) set.pop_back();
    }
    for (std::size_t i = 0; i < set.size(); ++i) {
      const std::uint64_t found = response_time(limits, set, i);
      const std::uint64_t right = exact_response_time(limits, set, i);
      CHECK(found >= right);
      ++(found == right ? exact : longer);
    }
  }
  CHECK(exact > 300);
  CHECK(longer > 10);
}

// ------------------------------------------------------------------- what is admitted holds

struct Message {
  std::uint64_t released;
  std::uint32_t packets;
};

// One channel's future messages in time, and those that wait.
struct Task {
  Budget budget;
  std::vector<std::uint64_t> releases;
  std::size_t next = 0;
  std::deque<Message> waiting;
};

// A network interface that never interrupts a packet, with ordinary packets whenever nothing else
// is there. The longest response of each task.
std::vector<std::uint64_t> simulate(std::vector<Task>& tasks, std::uint64_t packet,
                                    std::uint64_t start, std::uint64_t end) {
  std::vector<std::uint64_t> longest(tasks.size(), 0);
  for (std::uint64_t now = start; now < end; now += packet) {
    for (Task& task : tasks) {
      while (task.next < task.releases.size() && task.releases[task.next] <= now) {
        task.waiting.push_back({task.releases[task.next++], packets_of(task.budget.longest)});
      }
    }
    Task* first = nullptr;
    for (Task& task : tasks) {
      if (task.waiting.empty()) continue;
      if (first == nullptr || task.budget.deadline < first->budget.deadline) first = &task;
    }
    if (first == nullptr) continue;
    Message& message = first->waiting.front();
    if (--message.packets > 0) continue;
    auto& response = longest[static_cast<std::size_t>(first - tasks.data())];
    response = std::max(response, now + packet - message.released);
    first->waiting.pop_front();
  }
  return longest;
}

// Bursts as early as the budget allows, from `offset` on; or spread at random within it.
std::vector<std::uint64_t> releases(const Budget& budget, std::uint64_t offset, bool random,
                                    std::uint64_t end, std::mt19937_64& engine) {
  std::vector<std::uint64_t> result;
  std::uint64_t at = offset;
  for (;;) {
    const std::size_t n = result.size();
    if (n >= budget.messages) {
      at = std::max(at, result[n - budget.messages] + budget.period);
    }
    if (random) at += engine() % (budget.period / budget.messages + 1);
    if (at >= end) return result;
    result.push_back(at);
  }
}

TEST_CASE("no set that is admitted misses a deadline") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  MESSAGE("seed ", seed);
  std::mt19937_64 engine(seed);
  const AdmissionLimits limits{.packet_ns = 1000, .share = 950, .memory = 0, .channels = 100};
  std::size_t admitted = 0;
  std::size_t tight = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<Budget> set;
    for (int n = 0; n < 8; ++n) {
      Budget budget{};
      budget.messages = 1 + static_cast<std::uint32_t>(engine() % 4);
      budget.period = 4000 + engine() % 60'000;
      budget.longest = 1 + static_cast<std::uint32_t>(engine() % 16'000);
      budget.deadline = 2000 + engine() % (2 * budget.period);
      if (!refuse(limits, {.budgets = set, .channels = set.size(), .of_process = 0, .memory = 0},
                  budget, 0)) {
        set.push_back(budget);
      }
    }
    admitted += set.size();
    for (const bool random : {false, true}) {
      constexpr std::uint64_t kStart = 10'000;
      constexpr std::uint64_t kEnd = kStart + 500'000;
      std::vector<Task> tasks;
      for (const Budget& budget : set) {
        // The worst: all at once, just after an ordinary packet has begun.
        const std::uint64_t offset = kStart + 1 + (random ? engine() % budget.period : 0);
        tasks.push_back({budget, releases(budget, offset, random, kEnd, engine), 0, {}});
      }
      const auto longest = simulate(tasks, limits.packet_ns, kStart, kEnd + 400'000);
      for (std::size_t i = 0; i < set.size(); ++i) {
        CHECK(longest[i] <= set[i].deadline);
        CHECK(longest[i] <= response_time(limits, set, i));
        CHECK(tasks[i].waiting.empty());
        tight += longest[i] * 10 > response_time(limits, set, i) * 9;
      }
    }
  }
  CHECK(admitted > 400);
  CHECK(tight > 50);  // the analysis is not merely generous
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
