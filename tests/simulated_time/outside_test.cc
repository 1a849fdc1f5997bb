// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A process that waits for something outside does not hold simulated time.

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/simulated_time/simulated_run.h"
#include "vmmc/vmmc.hpp"

namespace vmmc::testing {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

// Made before the parts are.
struct Pipe {
  Pipe() { REQUIRE(::pipe(ends) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void write() const { EXPECT(::write(ends[1], "x", 1) == 1); }
  void read() const {
    char byte = 0;
    EXPECT(::read(ends[0], &byte, 1) == 1);
  }
  int ends[2];
};

TEST_CASE("S12.10 while a process reads the others' time goes on, and it comes back behind it") {
  const Pipe pipe;
  const Notes notes = simulate_again_and_again(2, [&pipe](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    if (part.number() == 0) {
      {
        const vmmc::time_outside outside;
        pipe.read();
      }
      notebook.note(part, vmmc_clock());
      notebook.note(part, look(all.memory()));
    } else {
      EXPECT(vmmc_compute(7 * kMillisecond) == VMMC_OK);
      send_word(5, all.proxy(0));
      pipe.write();
      EXPECT(vmmc_compute(3 * kMillisecond) == VMMC_OK);
      notebook.note(part, vmmc_clock());
    }
  });
  CHECK(notes[0][0] >= notes[1][0]);
  CHECK(notes[0][1] == 5);
}

TEST_CASE(
    "S12.10 two processes that are told what to do one after the other have the same clocks "
    "always") {
  const Pipe to_first;
  const Pipe to_second;
  simulate_again_and_again(2, [&](Part& part, Notebook& notebook) {
    const Everybody all(part, 2);
    const Pipe& mine = part.number() == 0 ? to_first : to_second;
    const Pipe& other = part.number() == 0 ? to_second : to_first;
    for (std::uint32_t round = 0; round < 20; ++round) {
      EXPECT(vmmc_leave_time() == VMMC_OK);
      if (round > 0 || part.number() > 0) mine.read();
      EXPECT(vmmc_return_to_time() == VMMC_OK);
      notebook.note(part, vmmc_clock());
      notebook.note(part, look(all.memory()));
      send_word(round + 1, all.proxy(1 - part.number()));
      EXPECT(vmmc_leave_time() == VMMC_OK);
      if (round < 19 || part.number() == 0) other.write();
    }
    EXPECT(vmmc_return_to_time() == VMMC_OK);
    // Without an end: while the other one is away nothing else would happen.
    EXPECT(vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(all.memory()), VMMC_EQUAL, 20,
                        VMMC_WAIT_ADAPTIVE, VMMC_FOREVER) == VMMC_OK);
  });
}

TEST_CASE("S12.10 who comes back while others keep time going gets in") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2);
    if (part.number() == 0) {
      { const vmmc::time_outside outside; }
      send_word(1, all.proxy(1));
    } else {
      while (look(all.memory()) == 0) EXPECT(vmmc_compute(100) == VMMC_OK);
    }
  });
}

TEST_CASE("a call that waits comes back, and leaving twice is leaving once") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2);
    EXPECT(vmmc_return_to_time() == VMMC_OK);
    EXPECT(vmmc_leave_time() == VMMC_OK);
    EXPECT(vmmc_leave_time() == VMMC_OK);
    const std::uint64_t before = vmmc_clock();
    EXPECT(vmmc_compute(kMillisecond) == VMMC_OK);
    EXPECT(vmmc_clock() == before + kMillisecond);
    EXPECT(vmmc_return_to_time() == VMMC_OK);
  });
}

void note_arrival(const vmmc_notification*, void* seen) {
  static_cast<std::atomic<int>*>(seen)->fetch_add(1);
}

void be_notified_outside(vmmc_delivery delivery) {
  const NicsimProcess nicsim(simulated(2));
  const Pipe pipe;
  run_processes(nicsim, {[&](Part&) {
                           vmmc_init_options init = VMMC_INIT_DEFAULTS;
                           init.delivery = delivery;
                           EXPECT(vmmc_init(&init) == VMMC_OK);
                           std::atomic<int> seen{0};
                           vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                           options.handler = note_arrival;
                           options.handler_argument = &seen;
                           void* const memory = allocate(4096);
                           EXPECT(vmmc_export(memory, 4096, 1, &options) == VMMC_OK);
                           EXPECT(vmmc_leave_time() == VMMC_OK);
                           pipe.read();
                           while (delivery == VMMC_DELIVER_BY_THREAD && seen.load() == 0) {
                             ::usleep(100);
                           }
                           EXPECT(vmmc_return_to_time() == VMMC_OK);
                           EXPECT(seen.load() == 1);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [&](Part&) {
                           attach();
                           const Proxy proxy = import_from(0, 1);
                           EXPECT(vmmc_send_notify("x", proxy.address, 1, 0) == VMMC_OK);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           pipe.write();
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         }});
}

TEST_CASE("handlers by thread run while the program is outside, those by signal when it is back") {
  be_notified_outside(VMMC_DELIVER_BY_THREAD);
  be_notified_outside(VMMC_DELIVER_BY_SIGNAL);
}

TEST_CASE("nicsim ends while a process is outside") {
  NicsimProcess nicsim({"--model", "shrimp-2"});
  const Pipe away;
  const Pipe gone;
  std::thread killer([&] {
    char byte = 0;
    CHECK(::read(away.ends[0], &byte, 1) == 1);
    nicsim.kill();
    CHECK(::write(gone.ends[1], "x", 1) == 1);
  });
  run_processes(nicsim.socket(), {[&](Part&) {
                  attach();
                  EXPECT(vmmc_leave_time() == VMMC_OK);
                  away.write();
                  gone.read();
                  while (vmmc_return_to_time() == VMMC_OK) EXPECT(vmmc_leave_time() == VMMC_OK);
                  EXPECT(vmmc_return_to_time() == VMMC_ERR_NICSIM_GONE);
                  EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
                }});
  killer.join();
}

TEST_CASE("in real time nothing is left") {
  const NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  EXPECT(vmmc_leave_time() == VMMC_ERR_NOT_ATTACHED);
                  EXPECT(vmmc_init(nullptr) == VMMC_OK);
                  EXPECT(vmmc_leave_time() == VMMC_OK);
                  EXPECT(vmmc_return_to_time() == VMMC_OK);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }});
}

}  // namespace
}  // namespace vmmc::testing
