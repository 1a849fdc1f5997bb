// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Real-time datagrams beside the kernel's: short rounds of all contestants in turn.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "bench/rtz/background.h"
#include "bench/rtz/cell.h"
#include "bench/rtz/pair.h"
#include "bench/rtz/report.h"
#include "bench/rtz/settings.h"
#include "bench/support/scheduling.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kBudgetPerRate = 2;   // the rate is half of the budget
constexpr std::uint64_t kPingPongSlower = 4;  // than one way, so that both directions are admitted
constexpr std::uint64_t kPingPongSamples = 1000;
constexpr useconds_t kRest = 60'000;         // us, before a round with SCHED_FIFO
constexpr int kNicsimPriority = 20;          // of SCHED_FIFO, as the pairs
constexpr std::uint32_t kFirstProcess = 10;  // of VMMC
// What a packet may take of nicsim, ns. Those of 4096 B take less than half of it; with the default of
// 10 000, which leaves room for a slow machine, so many could not be sent in a row.
constexpr const char* kPacketTime = "2500";
// A sender of rtz-nic, if there are fewer cores than processes: it leaves nicsim its core for a while.
constexpr std::uint64_t kAwakeForNic = 20'000;  // ns

class Measurement {
 public:
  explicit Measurement(const Settings& settings)
      : settings_(settings),
        report_(settings),
        cores_(plan_cores(settings.placement, allowed_cores())) {}

  void run();

 private:
  using Pairs = std::vector<std::unique_ptr<Pair>>;

  struct Turn {
    Pair* pair;
    Manner manner;
  };

  Pairs start_pairs(std::uint32_t bytes);
  void measure_size(std::uint32_t bytes, std::uint64_t samples);
  void measure_condition(Pairs& pairs, std::uint32_t bytes, Condition condition,
                         std::uint64_t samples);
  std::vector<Turn> turns_of(const Pairs& pairs) const;
  std::vector<Cell> rounds(Pairs& pairs, Round round, std::uint64_t samples);
  void add_round(Pair& pair, Round round, Cell& cell);
  std::vector<int> cores_for_load() const;
  // Whether nicsim has work for each message, and no core of its own.
  bool shares_core(Contestant contestant) const {
    return contestant == Contestant::kRtzNic && cores_.nicsim == kAnywhere &&
           allowed_cores().size() < 3;
  }

  const Settings& settings_;
  Report report_;
  CorePlan cores_;
  std::optional<OwnNicsim> nicsim_;
  std::optional<Background> background_;
  std::uint32_t next_process_ = kFirstProcess;
  std::uint32_t next_stream_ = 1;
  bool fifo_refused_ = false;
};

std::vector<int> Measurement::cores_for_load() const {
  const bool any = std::any_of(settings_.conditions.begin(), settings_.conditions.end(),
                               [](const Condition& condition) { return condition.load; });
  return any ? allowed_cores() : std::vector<int>{};
}

void Measurement::run() {
  report_.header(describe_plan(settings_.placement, cores_), probe_clock(settings_.probe));
  if (settings_.uses_vmmc()) {
    nicsim_.emplace(cores_.nicsim, 2,
                    std::vector<std::string>{"--real-time-packet-ns", kPacketTime});
  }
  const bool bulk = std::any_of(settings_.conditions.begin(), settings_.conditions.end(),
                                [](const Condition& condition) { return condition.bulk; });
  background_.emplace(bulk, next_process_, cores_for_load());
  next_process_ += 2;
  for (std::size_t i = 0; i < settings_.sizes.size(); ++i)
    measure_size(settings_.sizes[i], i == 0 ? settings_.samples : settings_.other_samples);
  const bool asked = std::any_of(settings_.manners.begin(), settings_.manners.end(),
                                 [](const Manner& manner) { return manner.fifo; });
  if (asked) report_.fifo(fifo_refused_);
  report_.footer();
}

Measurement::Pairs Measurement::start_pairs(std::uint32_t bytes) {
  Pairs pairs;
  const std::uint64_t budget = kBudgetPerRate * settings_.rate_of(bytes);
  for (const Contestant contestant : settings_.contestants) {
    const PortPlan plan{
        .longest = bytes,
        .budget_per_s = {budget, std::max<std::uint64_t>(budget / kPingPongSlower, 1)},
        .deadline = settings_.deadline,
        .side = 0,
        .vmmc_process = {next_process_, next_process_ + 1}};
    next_process_ += 2;
    pairs.push_back(std::make_unique<Pair>(contestant, plan, cores_));
  }
  return pairs;
}

void Measurement::measure_size(std::uint32_t bytes, std::uint64_t samples) {
  Pairs pairs = start_pairs(bytes);
  for (const Condition& condition : settings_.conditions)
    measure_condition(pairs, bytes, condition, samples);
  if (!settings_.ping_pong) return;
  report_.progress(std::to_string(bytes) + " B, closed loop");
  Round round;
  round.kind = RoundKind::kPingPong;
  round.bytes = bytes;
  report_.ping_pong(bytes, rounds(pairs, round, std::min(samples, kPingPongSamples)));
}

void Measurement::measure_condition(Pairs& pairs, std::uint32_t bytes, Condition condition,
                                    std::uint64_t samples) {
  report_.progress(std::to_string(bytes) + " B, " + condition_name(condition));
  background_->switch_to(condition.bulk, condition.load);
  const std::uint64_t bytes_before = background_->bulk_bytes();
  const std::uint64_t start = now();
  Round round;
  round.kind = RoundKind::kOneWay;
  round.bytes = bytes;
  const auto cells = rounds(pairs, round, samples);
  const double bulk_rate = static_cast<double>(background_->bulk_bytes() - bytes_before) /
                           static_cast<double>(now() - start);
  background_->switch_to(false, false);
  report_.one_way(bytes, condition, cells, bulk_rate);
}

// Who spins with SCHED_FIFO never leaves his core: without one of its own nicsim would carry nothing out.
std::vector<Measurement::Turn> Measurement::turns_of(const Pairs& pairs) const {
  std::vector<Turn> turns;
  for (const Manner& manner : settings_.manners) {
    for (const auto& pair : pairs) {
      const bool can = !shares_core(pair->contestant()) || !(manner.spin && manner.fifo);
      if (can) turns.push_back({pair.get(), manner});
    }
  }
  return turns;
}

// Rounds of all contestants in all manners in turn, until each has its samples.
std::vector<Cell> Measurement::rounds(Pairs& pairs, Round round, std::uint64_t samples) {
  const std::vector<Turn> turns = turns_of(pairs);
  std::vector<Cell> cells;
  for (const Turn& turn : turns) cells.emplace_back(turn.pair->contestant(), turn.manner);
  std::uint64_t period = 1'000'000'000 / settings_.rate_of(round.bytes);
  if (round.kind == RoundKind::kPingPong) period *= kPingPongSlower;
  const std::uint64_t in_round = std::max<std::uint64_t>(settings_.round / period, 1);
  round.period = period;
  round.deadline = settings_.deadline;
  round.warm_up = std::min<std::uint64_t>(in_round / 10 + 1, 100);
  for (std::uint64_t done = 0; done < samples; done += round.count) {
    round.count = std::min(in_round, samples - done);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      round.spin = turns[i].manner.spin;
      round.fifo = turns[i].manner.fifo;
      add_round(*turns[i].pair, round, cells[i]);
    }
  }
  return cells;
}

void Measurement::add_round(Pair& pair, Round round, Cell& cell) {
  round.stream = next_stream_;
  next_stream_ += 2;
  const std::vector<int> cores = allowed_cores();
  // Who wanted the cores meanwhile gets them now: else the kernel takes one back, for as long, in a round.
  if (round.fifo) ::usleep(kRest);
  // Where it carries nothing out it must not take a core from those who send, with its bulk transfer.
  const bool nicsim_too = round.fifo && pair.contestant() == Contestant::kRtzNic;
  if (nicsim_too && !schedule_fifo(nicsim_->process(), kNicsimPriority)) fifo_refused_ = true;
  // It shares the core of who gives it away: a receiver that blocks, else the sender, while it sleeps.
  const bool shares = shares_core(pair.contestant());
  if (shares && round.spin) round.awake = kAwakeForNic;
  if (shares) (void)bind_process(nicsim_->process(), round.spin ? cores.front() : cores.back());
  cell.add(pair.run(round));
  if (shares) (void)bind_process(nicsim_->process(), cores);
  if (nicsim_too) (void)schedule_normally(nicsim_->process());
  fifo_refused_ = fifo_refused_ || pair.fifo_refused();
}

}  // namespace
}  // namespace vmmc::bench

int main(int argc, char** argv) {
  const auto parsed = vmmc::bench::parse_settings(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  vmmc::bench::Measurement(std::get<vmmc::bench::Settings>(parsed)).run();
  return 0;
}
