// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who has a process's processor: the program, handlers, interrupts.

#include "nicsim/sim/process.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <vector>

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

// Process 0: sends `count` words to buffer 1 of process 1, each with a notification.
Process::Program notifier(std::uint32_t count) {
  return [count](Process& self) -> Task<> {
    const Proxy proxy = co_await self.import(1, 1);
    Buffer word = self.allocate(4);
    for (std::uint32_t i = 0; i < count; ++i) {
      word.word<std::uint32_t>(0) = i + 1;
      co_await self.send_notify(word.data(), proxy + 4 * i, 4);
    }
  };
}

TEST_CASE_FIXTURE(Watchdog, "handlers run one after the other, in the order of the messages") {
  SimulatedMachine machine(round_model(), kTwo);
  machine.start(0, "sender", notifier(5));
  std::vector<std::string> events;
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    Buffer inbox = self.allocate(4096);
    Buffer done = self.allocate(4096);
    ExportOptions options;
    options.handler = [&](Process& me, Notification n) -> Task<> {
      CHECK(n.buffer_id == 1);
      CHECK(n.length == 4);
      CHECK(n.sender == 0);
      CHECK(inbox.word<std::uint32_t>(n.offset) == n.offset / 4 + 1);
      events.push_back("begin " + std::to_string(n.offset / 4));
      co_await me.compute(300000);  // longer than all the sends
      events.push_back("end " + std::to_string(n.offset / 4));
      ++done.word<std::uint32_t>(0);
    };
    co_await self.export_buffer(1, inbox, options);
    co_await self.wait(&done.word<std::uint32_t>(0), Comparison::kEqual, 5);
  });
  machine.run();
  std::vector<std::string> expected;
  for (int i = 0; i < 5; ++i) {
    expected.push_back("begin " + std::to_string(i));
    expected.push_back("end " + std::to_string(i));
  }
  CHECK(events == expected);
}

TEST_CASE_FIXTURE(Watchdog, "a handler has the processor; the program's work ends so much later") {
  SimulatedMachine machine(round_model(), kTwo);
  machine.start(0, "sender", notifier(2));
  machine.start(1, "receiver", [&](Process& self) -> Task<> {
    ExportOptions options;
    options.handler = [](Process& me, Notification) -> Task<> { co_await me.compute(7000); };
    co_await self.export_buffer(1, self.allocate(4096), options);
    const double begun = self.clock();
    co_await self.compute(1000000);
    CHECK(self.clock() - begun == doctest::Approx(1000000 + 2 * 7000));
  });
  machine.run();
}

TEST_CASE_FIXTURE(Watchdog, "while notifications are blocked they are queued") {
  SimulatedMachine machine(round_model(), kTwo);
  machine.start(0, "sender", notifier(3));
  machine.start(1, "receiver", [](Process& self) -> Task<> {
    Buffer inbox = self.allocate(4096);
    std::uint32_t handled = 0;
    ExportOptions options;
    options.handler = [&](Process&, Notification) -> Task<> {
      ++handled;
      co_return;
    };
    self.block_notifications();
    self.block_notifications();
    co_await self.export_buffer(1, inbox, options);
    co_await self.wait(&inbox.word<std::uint32_t>(8), Comparison::kEqual, 3);
    co_await self.compute(1000000);
    CHECK(handled == 0);
    self.unblock_notifications();
    co_await self.compute(1000);
    CHECK(handled == 0);
    self.unblock_notifications();
    co_await self.compute(1000);
    CHECK(handled == 3);
  });
  machine.run();
}

TEST_CASE_FIXTURE(Watchdog, "a handler may send, also while its program is sending") {
  SimulatedMachine machine(round_model(), kTwo);
  constexpr std::uint32_t kRounds = 20;
  std::uint32_t answers = 0;
  machine.start(0, "caller", [&](Process& self) -> Task<> {
    Buffer inbox = self.allocate(4096);
    co_await self.export_buffer(2, inbox);
    co_await self.export_buffer(3, self.allocate(16384));
    const Proxy proxy = co_await self.import(1, 1);
    Buffer word = self.allocate(4);
    for (std::uint32_t i = 1; i <= kRounds; ++i) {
      word.word<std::uint32_t>(0) = i;
      co_await self.send_notify(word.data(), proxy, 4);
      co_await self.wait(&inbox.word<std::uint32_t>(0), Comparison::kEqual, i);
      ++answers;
    }
  });
  machine.start(1, "answerer", [&](Process& self) -> Task<> {
    Buffer inbox = self.allocate(4096);
    Buffer answer = self.allocate(4);
    const Proxy back = co_await self.import(0, 2);
    ExportOptions options;
    options.handler = [&](Process& me, Notification) -> Task<> {
      answer.word<std::uint32_t>(0) = inbox.word<std::uint32_t>(0);
      co_await me.send(answer.data(), back, 4);
    };
    co_await self.export_buffer(1, inbox, options);
    const Proxy sink = co_await self.import(0, 3);
    Buffer block = self.allocate(16384);
    std::uint32_t sends = 0;
    while (inbox.word<std::uint32_t>(0) < kRounds) {
      co_await self.send(block.data(), sink, 16384);  // four transfers to initiate
      ++sends;
    }
    CHECK(sends > kRounds / 4);  // it was at it most of the time
  });
  machine.run();
  CHECK(answers == kRounds);
}

TEST_CASE_FIXTURE(Watchdog, "an interrupt of each arrival holds up the receiver's program") {
  const auto time_of_work = [](bool interrupts) {
    model::TimingModel m = round_model();
    m.incoming_page_table.interrupt_each_arrival = interrupts ? 1 : 0;
    SimulatedMachine machine(m, kTwo);
    double took = 0;
    machine.start(0, "sender", [](Process& self) -> Task<> {
      const Proxy proxy = co_await self.import(1, 1);
      Buffer word = self.allocate(4);
      for (int i = 0; i < 4; ++i) co_await self.send(word.data(), proxy, 4);
    });
    machine.start(1, "receiver", [&](Process& self) -> Task<> {
      co_await self.export_buffer(1, self.allocate(4096));
      const double begun = self.clock();
      co_await self.compute(1000000);
      took = self.clock() - begun;
    });
    machine.run();
    return took;
  };
  CHECK(time_of_work(false) == doctest::Approx(1000000));
  CHECK(time_of_work(true) == doctest::Approx(1000000 + 4 * round_model().processor.interrupt_ns));
}

}  // namespace
}  // namespace vmmc::nicsim::sim
