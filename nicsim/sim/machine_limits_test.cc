// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Ends of what a model and a program may ask for, and how a run ends.

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <string>

#include "nicsim/parts/counters.h"
#include "nicsim/sim/machine.h"
#include "nicsim/sim/testing/round_model.h"

namespace vmmc::nicsim::sim {
namespace {

using testing::round_model;

constexpr parts::MachineShape kTwo{.rows = 1, .columns = 2};

struct Watchdog {
  Watchdog() { ::alarm(60); }
  ~Watchdog() { ::alarm(0); }
};

template <typename Error>
std::string error_of(SimulatedMachine& machine) {
  try {
    machine.run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE_FIXTURE(Watchdog, "a library that takes no time exports and imports") {
  for (const bool importer_first : {false, true}) {
    model::TimingModel model = round_model();
    model.library = {.send_ns = 0, .fetch_ns = 0, .export_ns = 0, .import_ns = 0};
    SimulatedMachine machine(model, kTwo);
    bool imported = false;
    machine.start(0, "importer", [&](Process& self) -> Task<> {
      if (!importer_first) co_await self.compute(1000);
      static_cast<void>(co_await self.import(1, 7));
      imported = true;
      CHECK(self.clock() == (importer_first ? 500 : 1000));
    });
    machine.start(1, "exporter", [&](Process& self) -> Task<> {
      if (importer_first) co_await self.compute(500);
      co_await self.export_buffer(7, self.allocate(4096));
    });
    machine.run();
    CHECK(imported);
  }
}

TEST_CASE_FIXTURE(Watchdog, "negative words are waited for") {
  SimulatedMachine machine(round_model(), kTwo);
  int seen = 0;
  machine.start(0, "sender", [&](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 1);
    const std::int32_t word = -1;
    co_await self.send(&word, proxy, 4);
    const std::int64_t wide = std::numeric_limits<std::int64_t>::min();
    co_await self.send(&wide, proxy + 8, 8);
  });
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    Buffer flags = self.allocate(4096);
    co_await self.export_buffer(1, flags);
    co_await self.wait(&flags.word<std::int32_t>(0), Comparison::kEqual, -1);
    ++seen;
    co_await self.wait(&flags.word<std::int64_t>(8), Comparison::kEqual,
                       std::numeric_limits<std::int64_t>::min());
    ++seen;
    // As unsigned words: -1 is the greatest.
    co_await self.wait(&flags.word<std::int32_t>(0), Comparison::kAtLeast, -2);
    ++seen;
  });
  machine.run();
  CHECK(seen == 3);
}

// Process 0 stores a word of block mode that nothing closes.
void start_storer(SimulatedMachine& machine) {
  machine.start(0, "storer", [](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 1);
    const Binding bound =
        self.bind(self.allocate(4096), proxy, 4096, {.combining = Combining::kBlockWrite});
    co_await self.store(bound, 7u);
  });
}

TEST_CASE_FIXTURE(Watchdog, "what is left in an open packet arrives before a run ends") {
  SimulatedMachine machine(round_model(), kTwo);
  Buffer inbox;
  double ended = 0;
  start_storer(machine);
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    inbox = self.allocate(4096);
    co_await self.export_buffer(1, inbox);
    ended = self.clock();
  });
  machine.run();
  CHECK(inbox.word<std::uint32_t>(0) == 7);
  CHECK(machine.clock() > ended);
  CHECK_FALSE(machine.hardware().has_open_packet(0));
  CHECK(machine.hardware().counters(0).packetizer.closed_by_flush == 1);
}

TEST_CASE_FIXTURE(Watchdog, "who waits for what was never flushed is told so") {
  SimulatedMachine machine(round_model(), kTwo);
  start_storer(machine);
  machine.start(1, "receiver", [](Process& self) -> Task<> {
    Buffer inbox = self.allocate(4096);
    co_await self.export_buffer(1, inbox);
    co_await self.wait(&inbox.word<std::uint32_t>(0), Comparison::kEqual, 7);
  });
  const std::string report = error_of<Deadlock>(machine);
  CAPTURE(report);
  CHECK(report.find("(receiver) on node 1 waits for the word at byte 0") != std::string::npos);
  CHECK(report.find("\n  stores of node 0 wait for a flush") != std::string::npos);
  CHECK(report.find("stores of node 1") == std::string::npos);
}

TEST_CASE_FIXTURE(Watchdog, "simulated time has an end, and says so") {
  double before = 0;
  const auto run = [&](auto work) {
    SimulatedMachine machine(round_model(), kTwo);
    machine.start(0, "long", [&, work](Process& self) -> Task<> {
      for (;;) {
        before = self.clock();
        co_await work(self);
        CHECK(self.clock() > before);
      }
    });
    return error_of<TimeIsOver>(machine);
  };
  const std::string sentence = "simulated time is over: something was to happen after 9223372";
  CHECK(run([](Process& self) { return self.compute(1e17); }).starts_with(sentence));
  CHECK(before == 0);
  CHECK(run([](Process& self) { return self.compute(1e15); }).starts_with(sentence));
  CHECK(before == 9e15);
  CHECK(run([](Process& self) { return self.copy(std::uint64_t{1} << 55); }).starts_with(sentence));
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK(run([=](Process& self) { return self.compute(infinite); }).starts_with(sentence));
}

TEST_CASE_FIXTURE(Watchdog, "no work takes less than no time") {
  for (const double ns : {-5.0, std::numeric_limits<double>::quiet_NaN()}) {
    SimulatedMachine machine(round_model(), kTwo);
    machine.start(0, "wrong", [=](Process& self) -> Task<> { co_await self.compute(ns); });
    const std::string report = error_of<ProgramError>(machine);
    CHECK(report.starts_with("process 0 (wrong) on node 0: computes for "));
  }
}

}  // namespace
}  // namespace vmmc::nicsim::sim
