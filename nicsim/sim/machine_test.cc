// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/machine.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nicsim/sim/testing/round_model.h"

namespace vmmc::nicsim::sim {
namespace {

using parts::MachineShape;
using testing::round_model;
using Words = std::vector<std::uint32_t>;

constexpr MachineShape kTwo{.rows = 1, .columns = 2};

struct Watchdog {
  Watchdog() { ::alarm(60); }
  ~Watchdog() { ::alarm(0); }
};

// The time from the call until the other process has seen the word.
template <typename Send>
double one_way(const model::TimingModel& model, Send send) {
  double begun = 0;
  double seen = 0;
  SimulatedMachine machine(model, kTwo);
  machine.start(0, "sender", [&](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 7);
    co_await self.compute(100000);
    begun = self.clock();
    co_await send(self, proxy);
  });
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    Buffer flags = self.allocate(4096);
    co_await self.export_buffer(7, flags);
    co_await self.wait(&flags.word<std::uint32_t>(64), Comparison::kEqual, 5);
    seen = self.clock();
  });
  machine.run();
  return seen - begun;
}

TEST_CASE_FIXTURE(Watchdog, "a word by deliberate update takes the sum of the parts' times") {
  const model::TimingModel m = round_model();
  const double latency = one_way(m, [](Process& self, Proxy proxy) -> Task<> {
    Buffer source = self.allocate(4096);
    source.word<std::uint32_t>(0) = 5;
    co_await self.send(source.data(), proxy + 64, 4);
  });
  CHECK(latency == doctest::Approx(testing::deliberate_update_word_ns(m)).epsilon(1e-9));
}

TEST_CASE_FIXTURE(Watchdog, "a word by automatic update takes the sum of the parts' times") {
  const model::TimingModel m = round_model();
  const double latency = one_way(m, [](Process& self, Proxy proxy) -> Task<> {
    Buffer local = self.allocate(4096);
    const Binding bound = self.bind(local, proxy, 4096, {.combining = Combining::kSingleWrite});
    co_await self.store(bound + 64, 5u);
    CHECK(local.word<std::uint32_t>(64) == 5);
  });
  CHECK(latency == doctest::Approx(testing::automatic_update_word_ns(m)).epsilon(1e-9));
}

TEST_CASE_FIXTURE(Watchdog, "a flag is seen after its data, however both are sent") {
  for (const bool by_store : {false, true}) {
    SimulatedMachine machine(round_model(), kTwo);
    constexpr std::uint32_t kWords = 10000;
    machine.start(0, "sender", [&](Process& self) -> Task<> {
      Buffer data = self.allocate(4 * kWords);
      for (std::uint32_t i = 0; i < kWords; ++i) data.words<std::uint32_t>()[i] = i + 1;
      const Proxy proxy = co_await self.import(1, 1);
      const Proxy flag = co_await self.import(1, 2);
      const Binding bound = self.bind(self.allocate(data.size()), proxy, data.size());
      if (by_store) {
        co_await self.store_bytes(bound, data.data(), 4 * kWords);
        co_await self.flush();
      } else {
        co_await self.send(data.data(), proxy, 4 * kWords);
      }
      Buffer one = self.allocate(4);
      one.word<std::uint32_t>(0) = 1;
      co_await self.send(one.data(), flag, 4);
    });
    machine.start(1, "receiver", [&](Process& self) -> Task<> {
      Buffer data = self.allocate(4 * kWords);
      Buffer flag = self.allocate(4);
      co_await self.export_buffer(1, data);
      co_await self.export_buffer(2, flag);
      co_await self.wait(&flag.word<std::uint32_t>(0), Comparison::kEqual, 1);
      std::uint32_t right = 0;
      while (right < kWords && data.words<std::uint32_t>()[right] == right + 1) ++right;
      CHECK(right == kWords);
    });
    machine.run();
  }
}

TEST_CASE_FIXTURE(Watchdog,
                  "a started send leaves its source in use until it has been waited for") {
  SimulatedMachine machine(round_model(), kTwo);
  machine.start(0, "sender", [](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 1);
    Buffer source = self.allocate(65536);
    source.word<std::uint32_t>(65532) = 9;
    const double begun = self.clock();
    const SendHandle handle = co_await self.send_start(source.data(), proxy, 65536);
    const double taken = self.clock();
    co_await self.send_wait(handle);
    const double free = self.clock();
    co_await self.fence();
    const double delivered = self.clock();
    CHECK(begun < taken);
    CHECK(taken < free);
    CHECK(free < delivered);
    co_await self.send_wait(handle);  // known to be over
    CHECK(self.clock() == delivered);
  });
  machine.start(1, "receiver", [](Process& self) -> Task<> {
    Buffer data = self.allocate(65536);
    co_await self.export_buffer(1, data);
    co_await self.wait(&data.word<std::uint32_t>(65532), Comparison::kEqual, 9);
  });
  machine.run();
}

TEST_CASE_FIXTURE(Watchdog, "remote bytes are fetched, and words added to") {
  SimulatedMachine machine(round_model(), kTwo);
  machine.start(0, "reader", [](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 1);
    Buffer here = self.allocate(8192);
    co_await self.fetch(here.data(), proxy + 4000, 200);
    CHECK(here.word<std::uint32_t>(0) == 11);
    CHECK(here.word<std::uint32_t>(196) == 12);
    CHECK(co_await self.fetch_add<std::uint64_t>(proxy + 4000, 5) == 11);
    CHECK(co_await self.fetch_add<std::uint64_t>(proxy + 4000, 5) == 16);
  });
  Words seen;
  machine.start(1, "owner", [&](Process& self) -> Task<> {
    Buffer data = self.allocate(8192);
    data.word<std::uint32_t>(4000) = 11;
    data.word<std::uint32_t>(4196) = 12;
    co_await self.export_buffer(1, data);
    co_await self.wait(&data.word<std::uint32_t>(4000), Comparison::kAtLeast, 21);
    seen.push_back(data.word<std::uint32_t>(4000));
  });
  machine.run();
  CHECK(seen == Words{21});
}

TEST_CASE_FIXTURE(Watchdog, "what a program asks for wrongly ends the run with a sentence") {
  const auto sentence = [](auto action) {
    SimulatedMachine machine(round_model(), kTwo);
    machine.start(0, "wrong", [&](Process& self) -> Task<> {
      Buffer data = self.allocate(8192);
      co_await self.export_buffer(1, data);
      const Proxy proxy = co_await self.import(0, 1);
      co_await action(self, data, proxy);
    });
    try {
      machine.run();
    } catch (const ProgramError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  contains(sentence([](Process& self, Buffer b, Proxy proxy) -> Task<> {
             co_await self.send(b.data(), proxy + 8188, 8);
           }),
           "process 0 (wrong) on node 0: sends 8 bytes whose first and last one are not inside");
  contains(
      sentence([](Process& self, Buffer b, Proxy) -> Task<> { co_await self.export_buffer(2, b); }),
      "overlaps buffer 1");
  contains(sentence([](Process& self, Buffer, Proxy proxy) -> Task<> {
             const Binding bound = self.bind(self.allocate(4096), proxy, 4096);
             co_await self.store(bound + 4096, 1u);
           }),
           "not inside the bound pages");
  contains(sentence([](Process& self, Buffer, Proxy) -> Task<> {
             const Proxy nobody = co_await self.import(9, 1);
             static_cast<void>(nobody);
           }),
           "process 9, which does not exist");
}

TEST_CASE_FIXTURE(Watchdog, "a deadlock names those who wait, and what for") {
  SimulatedMachine machine(round_model(), kTwo);
  machine.start(0, "left",
                [](Process& self) -> Task<> { static_cast<void>(co_await self.import(1, 3)); });
  machine.start(1, "right", [](Process& self) -> Task<> {
    Buffer flags = self.allocate(4096);
    co_await self.export_buffer(7, flags);
    co_await self.wait(&flags.word<std::uint32_t>(8), Comparison::kAtLeast, 4);
  });
  machine.start(1, "ends", [](Process& self) -> Task<> { co_await self.compute(5); });
  std::string report;
  try {
    machine.run();
  } catch (const Deadlock& deadlock) {
    report = deadlock.what();
  }
  CAPTURE(report);
  CHECK(report.find("(left) on node 0 waits for process 1 to export buffer 3") !=
        std::string::npos);
  CHECK(report.find("(right) on node 1 waits for the word at byte 8 of its buffer 7 to be >= 4 "
                    "(it is 0)") != std::string::npos);
  CHECK(report.find("ends") == std::string::npos);
}

// Each process sends a block to each other one, which checks it. Returns the fingerprint.
std::uint64_t all_to_all(std::uint32_t rows, std::uint32_t columns, std::uint32_t& checked) {
  model::TimingModel m = round_model();
  m.backplane.mesh = 1;
  SimulatedMachine machine(m, {.rows = rows, .columns = columns});
  const std::uint32_t n = rows * columns;
  checked = 0;
  for (std::uint32_t p = 0; p < n; ++p) {
    machine.start(p, "p" + std::to_string(p), [&, n](Process& self) -> Task<> {
      Buffer inbox = self.allocate(std::size_t{n} * 512);
      Buffer block = self.allocate(512);
      co_await self.export_buffer(1, inbox);
      std::ranges::fill(block.words<std::uint32_t>(), self.number() + 1);
      for (std::uint32_t i = 0; i < n; ++i) {
        const std::uint32_t to = (self.number() + i) % n;
        const Proxy proxy = co_await self.import(to, 1);
        co_await self.send(block.data(), proxy + std::uint64_t{self.number()} * 512, 512);
      }
      for (std::uint32_t from = 0; from < n; ++from) {
        co_await self.wait(&inbox.word<std::uint32_t>(from * 512 + 508), Comparison::kNotEqual, 0);
        const auto words = inbox.words<std::uint32_t>().subspan(from * 128, 128);
        if (std::ranges::all_of(words, [&](std::uint32_t w) { return w == from + 1; })) ++checked;
      }
    });
  }
  machine.run();
  return machine.fingerprint();
}

TEST_CASE_FIXTURE(Watchdog, "64 processes, all to all, and the same again to the last event") {
  std::uint32_t checked = 0;
  const std::uint64_t first = all_to_all(8, 8, checked);
  CHECK(checked == 64 * 64);
  CHECK(all_to_all(8, 8, checked) == first);
  CHECK(all_to_all(4, 16, checked) != first);  // it does see the machine
}

}  // namespace
}  // namespace vmmc::nicsim::sim
