// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the admission guarantees holds with the real engine and carriers: for senders that keep to
// their budgets, whatever the others do. Time is counted in packets here.

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "nicsim/real_time/admission.h"
#include "nicsim/real_time/real_time_engine.h"
#include "nicsim/real_time/testing/channel_ends.h"

namespace vmmc::nicsim::real_time {
namespace {

using testing::ReceivingEnd;
using testing::SendingEnd;
using Served = RealTimeEngine::Served;

constexpr AdmissionLimits kLimits{.share = 950};
constexpr std::uint64_t kPacket = AdmissionLimits{}.packet_ns;
constexpr std::uint64_t kStart = 1'000'000'000'000;

struct Line {
  explicit Line(const Budget& terms, std::uint32_t depth = wire::kMaxChannelDepth)
      : budget(terms),
        memory(std::move(ChannelMemory::make(ChannelShape::of(depth, terms.longest)).value())),
        carrier(memory, terms) {}

  std::uint64_t carried_out() const { return memory.verdict().carried_out.load(); }
  std::uint64_t refused() const { return memory.verdict().refused.load(); }

  const Budget budget;
  ChannelMemory memory;
  Carrier carrier;
  SendingEnd sender{memory};
  ReceivingEnd receiver{memory};
  bool is_honest = true;
  bool is_exact = false;   // sends as often as it may, else less often now and then
  std::uint64_t next = 0;  // when it sends all messages of a period
  std::deque<std::uint64_t> sent;
  std::uint64_t received = 0;
  std::uint64_t late = 0;
};

// A network interface whose packets all take as long as the model says, and which carries out an
// ordinary one whenever nothing else is there.
struct Nic {
  std::uint64_t now = kStart;
  RealTimeEngine engine{[this] { return now; }};
  std::vector<std::unique_ptr<Line>> lines;
  std::mt19937_64 random;

  Line& add(const Budget& budget) {
    Line& line = *lines.emplace_back(std::make_unique<Line>(budget));
    line.next = now + random() % budget.period;
    engine.add(line.carrier);
    return line;
  }
  std::vector<Budget> budgets() const {
    std::vector<Budget> result;
    for (const auto& line : lines) result.push_back(line->budget);
    return result;
  }

  static void send(Line& line, std::uint64_t at, std::uint64_t says) {
    const std::uint32_t length = line.budget.longest;
    if (length <= wire::kPageSize ? line.sender.send_page(length, says)
                                  : line.sender.send_buffer(length, says)) {
      line.sent.push_back(at);
    } else {
      CHECK(!line.is_honest);
    }
  }
  void send_what_is_due(Line& line) {
    while (line.next <= now) {
      for (std::uint32_t n = 0; n < line.budget.messages; ++n) send(line, line.next, line.next);
      line.next += line.budget.period +
                   (line.is_exact || random() % 2 == 0 ? 0 : random() % line.budget.period / 8);
    }
  }
  void receive(Line& line) const {
    while (const auto datagram = line.receiver.receive()) {
      const std::uint64_t latency = now - line.sent.front();
      line.sent.pop_front();
      if (datagram->place == wire::DatagramPlace::kLost) {
        CHECK(!line.is_honest);
        continue;
      }
      ++line.received;
      line.late += latency > line.budget.deadline;
      line.receiver.give_back(0);
    }
  }
  // `lie` is done before each packet.
  void run(
      std::uint64_t packets, const std::function<void()>& lie = [] {}) {
    while (packets-- > 0) {
      lie();
      for (const auto& line : lines) {
        if (line->is_honest) send_what_is_due(*line);
      }
      engine.serve_packet();
      now += kPacket;
      for (const auto& line : lines) receive(*line);
    }
  }
};

TEST_CASE("a datagram that others have kept waiting takes nothing from its sender's next period") {
  ::alarm(120);
  Nic nic;
  for (const Budget& budget :
       {Budget{1, 200'003, 20'000, 64}, Budget{8, 400'000, 1'000'000, 64},
        Budget{8, 400'000, 1'100'000, 64}, Budget{8, 400'000, 1'200'000, 64}}) {
    REQUIRE(!refuse(kLimits, {nic.budgets(), nic.lines.size(), 0, 0}, budget, 0));
    nic.add(budget);
  }
  nic.lines[0]->is_exact = true;
  nic.run(40'000);
  for (const auto& line : nic.lines) {
    CHECK(line->received > 1000);
    CHECK(line->late == 0);
    CHECK(line->refused() == 0);
  }
  ::alarm(0);
}

// Sets that the admission has let in: at random, with short and with long datagrams.
void admit_some(Nic& nic) {
  for (int n = 0; n < 8; ++n) {
    Budget budget{};
    budget.messages = 1 + static_cast<std::uint32_t>(nic.random() % 5);
    budget.period = 10 * kPacket + nic.random() % (60 * kPacket);
    budget.longest =
        nic.random() % 2 == 0 ? 64 : 4096 * (2 + static_cast<std::uint32_t>(nic.random() % 3));
    budget.deadline = 2 * kPacket + nic.random() % (2 * budget.period);
    if (!refuse(kLimits, {nic.budgets(), nic.lines.size(), 0, 0}, budget, 0)) nic.add(budget);
  }
}

TEST_CASE("no datagram of a channel that was admitted is late") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  CAPTURE(seed);
  ::alarm(120);
  std::uint64_t received = 0;
  for (std::uint64_t round = 0; round < 20; ++round) {
    Nic nic;
    nic.random.seed(seed + round);
    admit_some(nic);
    nic.run(4000);
    for (const auto& line : nic.lines) {
      CHECK(line->late == 0);
      CHECK(line->refused() == 0);
      received += line->received;
    }
  }
  CHECK(received > 5000);
  ::alarm(0);
}

TEST_CASE("nor is one if another lies about when it has sent, and sends as much as it can") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed ", seed);
  CAPTURE(seed);
  ::alarm(120);
  for (std::uint64_t round = 0; round < 20; ++round) {
    Nic nic;
    nic.random.seed(seed + round);
    admit_some(nic);
    if (nic.lines.empty()) continue;
    Line& liar = *nic.lines[nic.random() % nic.lines.size()];
    liar.is_honest = false;
    std::uint64_t says = 0;
    bool quiet = true;
    nic.run(4000, [&] {
      if (nic.random() % 100 == 0) quiet = !quiet;
      if (quiet) return;
      for (auto n = nic.random() % 12; n > 0; --n) {
        says += liar.budget.period;  // of long ago: nothing of it is refused
        Nic::send(liar, nic.now,
                  nic.random() % 4 == 0 ? says : nic.now - nic.random() % liar.budget.deadline);
      }
    });
    for (const auto& line : nic.lines) {
      if (line->is_honest) CHECK(line->late == 0);
    }
  }
  ::alarm(0);
}

TEST_CASE("who has sent nothing has saved nothing up, whatever he says") {
  Nic nic;
  Line& liar = nic.add({5, 100'000, 800'000, 64});
  liar.is_honest = false;
  Line& honest = nic.add({40, 2'000'000, 860'000, 64});
  REQUIRE(response_time(kLimits, nic.budgets(), 1) == 860'000);
  for (int round = 0; round < 20; ++round) {
    nic.run(200, [&] {
      if (nic.now < honest.next) return;  // at the worst time for the honest one
      for (std::uint64_t n = 0; n < 85; ++n)
        Nic::send(liar, nic.now, nic.now - 800'000 + n / 5 * 100'000);
    });
  }
  CHECK(honest.received > 500);
  CHECK(honest.late == 0);
}

TEST_CASE(
    "what was sent in time but is seen much later is carried out, all of it, without going first") {
  Nic nic;
  Line line({1, 20'000, 10'000, 64});
  nic.engine.add(line.carrier);
  // Longer ago than any of it could have waited for others.
  for (std::uint64_t n = 0; n < 100; ++n) {
    REQUIRE(line.sender.send_page(8, nic.now + n * 20'000'000));
  }
  nic.now += 100 * 20'000'000;
  CHECK(nic.engine.serve_packet() == Served::kPacket);
  for (int n = 1; n < 100; ++n) CHECK(nic.engine.serve_packet() == Served::kBeyondBudget);
  CHECK(line.carried_out() == 100);
  CHECK(line.refused() == 0);
  // They do not count: the next period is the sender's again.
  nic.now += 20'000;
  REQUIRE(line.sender.send_page(8, nic.now));
  CHECK(nic.engine.serve_packet() == Served::kPacket);
}

TEST_CASE("all packets of a datagram beyond the budget stay behind the others, also delayed ones") {
  Nic nic;
  FaultPlan faults;
  Line greedy({1, 100'000'000, 50'000'000, 1 << 20}, 8);
  Line honest({100, 100'000'000, 60'000'000, 64});
  greedy.carrier.connect({.ends = {.from_node = 0, .to_node = 0}, .faults = &faults});
  nic.engine.add(greedy.carrier);
  nic.engine.add(honest.carrier);
  for (const std::uint64_t ago : {900'000'000, 700'000'000}) {
    REQUIRE(greedy.sender.send_buffer(1 << 20, nic.now - ago));
  }
  CHECK(nic.engine.serve_all());  // all of the first, and one packet of the second
  CHECK(greedy.carried_out() == 1);
  REQUIRE(faults.add({.action = FaultPlan::Action::kDelay, .skip = 9, .delay = 1000}));
  for (int n = 1; n < 256; ++n) {
    REQUIRE(honest.sender.send_page(8, nic.now));
    CHECK(nic.engine.serve_packet() == Served::kPacket);
    CHECK(honest.carried_out() == static_cast<std::uint64_t>(n));
    CHECK(nic.engine.serve_packet() == Served::kBeyondBudget);
    CHECK(greedy.carried_out() == 1);
    REQUIRE(honest.receiver.receive());
    honest.receiver.give_back(0);
    nic.now += 1'000'000;
  }
  CHECK(nic.engine.serve_packet() == Served::kBeyondBudget);
  CHECK(greedy.carried_out() == 2);
  CHECK(greedy.refused() == 0);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
