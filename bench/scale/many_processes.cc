// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Very many processes on one nicsim, nearly all of them idle: what each costs, what it costs the two
// that work, and that nobody who has nothing to do uses the processor.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/scale/crew.h"
#include "bench/scale/settings.h"
#include "bench/scale/usage.h"
#include "bench/support/machine.h"
#include "platform/histogram.h"

namespace vmmc::bench {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint32_t kBuffer = 1;
constexpr std::uint64_t kPatience = 60'000'000'000;

struct Result {
  std::uint64_t p50, p99, max, nic, host;
};

struct Gates {
  Gate ready, play, played, leave;
};

void sleep_for(std::uint64_t nanoseconds) {
  timespec left{static_cast<time_t>(nanoseconds / 1'000'000'000),
                static_cast<long>(nanoseconds % 1'000'000'000)};
  while (::nanosleep(&left, &left) != 0) {
  }
}

// One of the two who take turns: `games` times, when the gate is opened for both.
void play(std::uint32_t me, std::uint64_t turns, std::uint32_t games, vmmc_executor executor,
          Gates& gates, Result* results) {
  const attachment attached = attach_as(me);
  const memory page = must(memory::allocate(kPage), "vmmc_alloc");
  const receive_buffer buffer =
      must(receive_buffer::export_memory(page.bytes(), kBuffer), "vmmc_export");
  const proxy to =
      must(proxy::import(Crew::identity_of(1 - me), kBuffer,
                         {VMMC_WRITE, static_cast<std::uint32_t>(executor), kPatience}),
           "vmmc_import");
  const auto& word = *reinterpret_cast<const std::uint64_t*>(page.bytes().data());
  gates.ready.open();
  std::uint64_t turn = 0;
  for (std::uint32_t game = 0; game < games; ++game) {
    gates.play.pass();
    platform::Histogram times;
    const vmmc_counters before = must(counters(), "vmmc_get_counters");
    const std::uint64_t warm_up = turns / 10 + 1;
    for (std::uint64_t i = 0; i < warm_up + turns; ++i) {
      const std::uint64_t start = now();
      ++turn;
      if (me == 0) must(to.send(turn), "vmmc_send");
      must(wait(word, VMMC_EQUAL, turn, VMMC_WAIT_ADAPTIVE, std::chrono::nanoseconds(kPatience)),
           "waiting for the other process");
      if (me == 1) must(to.send(turn), "vmmc_send");
      if (i >= warm_up) times.record(now() - start);
    }
    must(fence(), "vmmc_fence");
    const vmmc_counters after = must(counters(), "vmmc_get_counters");
    if (me == 0) {
      results[game] = {times.percentile(50), times.percentile(99), times.max(),
                       after.nic_executor_sends - before.nic_executor_sends,
                       after.host_executor_sends - before.host_executor_sends};
    }
    gates.played.open();
  }
  gates.leave.pass();
}

void report_game(const Settings& settings, std::uint64_t attached, const Result& result) {
  Line("ping-pong")
      .add("attached", attached)
      .add("executor", std::string(executor_used(result.nic, result.host)))
      .add("one_way_p50_us", static_cast<double>(result.p50) / 2e3)
      .add("one_way_p99_us", static_cast<double>(result.p99) / 2e3)
      .add("one_way_max_us", static_cast<double>(result.max) / 2e3)
      .print(settings);
}

// Percent of one core.
void report_idle(const Settings& settings, const Crew& crew) {
  sleep_for(settings.idle / 4);
  const std::uint64_t nicsim = cpu_time_of(crew.nicsim());
  const std::uint64_t all = cpu_time_of(crew.processes());
  const std::uint64_t start = now();
  sleep_for(settings.idle);
  const auto percent = [](std::uint64_t used, std::uint64_t time) {
    return 100.0 * static_cast<double>(used) / static_cast<double>(time);
  };
  const std::uint64_t nicsim_used = cpu_time_of(crew.nicsim()) - nicsim;
  const std::uint64_t all_used = cpu_time_of(crew.processes()) - all;
  const std::uint64_t time = now() - start;
  Line("idle")
      .add("attached", std::uint64_t{settings.attached})
      .add("nicsim_percent", percent(nicsim_used, time))
      .add("processes_percent", percent(all_used, time))
      .print(settings);
}

double average(const std::uint64_t* from, const std::uint64_t* to) {
  double sum = 0;
  for (const std::uint64_t* one = from; one != to; ++one) sum += static_cast<double>(*one);
  return sum / static_cast<double>(to - from);
}

void measure(const Settings& settings, vmmc_executor executor) {
  constexpr std::uint32_t kGames = 4;
  Gates gates;
  Shared<Result> results(kGames);
  Shared<std::uint64_t> attach_times(settings.attached);
  std::vector<std::uint64_t> nicsim_times;  // after each attach
  Crew crew;
  for (std::uint32_t i = 0; i < 2; ++i) {
    crew.add(
        [&](std::uint32_t me) { play(me, settings.turns, kGames, executor, gates, &results[0]); });
  }
  gates.ready.pass(2);
  const auto one_game = [&] {
    gates.play.open(2);
    gates.played.pass(2);
  };
  one_game();
  one_game();
  const Memory nicsim_before = memory_of(crew.nicsim());
  const std::uint64_t shared_before = shared_memory_of_host();
  for (std::uint32_t i = 2; i < settings.attached; ++i) {
    crew.add([&](std::uint32_t me) {
      const std::uint64_t start = now();
      const attachment attached = attach_as(me);
      attach_times[me] = now() - start;
      gates.ready.open();
      gates.leave.pass();
    });
    gates.ready.pass();
    nicsim_times.push_back(cpu_time_of(crew.nicsim()));
  }
  one_game();
  one_game();
  for (std::uint32_t game = 0; game < kGames; ++game) {
    report_game(settings, game < 2 ? 2 : settings.attached, results[game]);
  }
  report_idle(settings, crew);

  const std::uint32_t added = settings.attached - 2;
  const std::uint32_t part = std::min(added, 100u);
  const std::uint64_t* times = &attach_times[0];
  const Memory nicsim = memory_of(crew.nicsim());
  const Memory all = memory_of(crew.processes());
  const auto each = [&](std::uint64_t from, std::uint64_t to) {
    return (static_cast<double>(to) - static_cast<double>(from)) / added / 1024;
  };
  const auto nicsim_each = [&](std::uint32_t first) {
    return static_cast<double>(nicsim_times[first + part - 1] - nicsim_times[first]) / (part - 1) /
           1e3;
  };
  Line("attach")
      .add("attached", std::uint64_t{settings.attached})
      .add("attach_first_us", average(times + 2, times + 2 + part) / 1e3)
      .add("attach_last_us", average(times + 2 + added - part, times + 2 + added) / 1e3)
      .add("nicsim_cpu_first_us", nicsim_each(0))
      .add("nicsim_cpu_last_us", nicsim_each(added - part))
      .add("nicsim_anonymous_kib", each(nicsim_before.anonymous, nicsim.anonymous))
      .add("nicsim_resident_kib", each(nicsim_before.resident, nicsim.resident))
      .add("nicsim_page_table_kib", each(nicsim_before.page_tables, nicsim.page_tables))
      .add("process_share_kib", static_cast<double>(all.share) / settings.attached / 1024)
      .add("process_page_table_kib",
           static_cast<double>(all.page_tables) / settings.attached / 1024)
      .add("memfd_kib", each(shared_before, shared_memory_of_host()))
      .add("nicsim_descriptors", descriptors_of(crew.nicsim()))
      .print(settings);
  const std::uint64_t start = now();
  gates.leave.open(settings.attached);
  crew.join();
  Line("leave")
      .add("attached", std::uint64_t{settings.attached})
      .add("each_us", static_cast<double>(now() - start) / settings.attached / 1e3)
      .print(settings);
}

}  // namespace

void measure_processes(const Settings& settings) {
  for (const vmmc_executor executor : settings.executors) measure(settings, executor);
}

}  // namespace vmmc::bench
