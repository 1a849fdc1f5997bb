// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Everything that waits, or asks again and again, ends at a simulated time.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "tests/simulated_time/simulated_run.h"

namespace vmmc::testing {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

int wait_for(const unsigned char* word, std::uint32_t value, vmmc_wait_strategy strategy,
             std::uint64_t timeout) {
  return vmmc_wait_32(reinterpret_cast<const std::uint32_t*>(word), VMMC_EQUAL, value, strategy,
                      timeout);
}

TEST_CASE("S12.2 a wait times out when its time is over, by each strategy") {
  const Notes notes = simulate_again_and_again(1, [](Part& part, Notebook& notebook) {
    unsigned char* const memory = export_new(4096, 1);
    for (int strategy = VMMC_WAIT_SPIN; strategy <= VMMC_WAIT_ADAPTIVE; ++strategy) {
      const std::uint64_t start = vmmc_clock();
      EXPECT(wait_for(memory, 1, static_cast<vmmc_wait_strategy>(strategy), 50'000) ==
             VMMC_ERR_TIMEOUT);
      notebook.note(part, vmmc_clock() - start);
    }
    EXPECT(wait_for(memory, 1, VMMC_WAIT_ADAPTIVE, 0) == VMMC_ERR_TIMEOUT);
    EXPECT(wait_for(memory, 0, VMMC_WAIT_ADAPTIVE, 0) == VMMC_OK);
  });
  CHECK(notes[0] == std::vector<std::uint64_t>(notes[0].size(), 50'000));
}

TEST_CASE("S12.2 an import waits for its export, or times out") {
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    if (part.number() == 0) {
      EXPECT(vmmc_compute(5 * kMillisecond) == VMMC_OK);
      export_new(4096, 1);
      export_new(4096, 2);
      return;
    }
    std::uint64_t start = vmmc_clock();
    EXPECT(import_status(identity_of(0), 1, VMMC_WRITE, kMillisecond) == VMMC_ERR_TIMEOUT);
    notebook.note(part, vmmc_clock() - start);
    start = vmmc_clock();
    EXPECT(import_status(identity_of(0), 1, VMMC_WRITE, 0) == VMMC_ERR_TIMEOUT);
    notebook.note(part, vmmc_clock() - start);
    EXPECT(import_status(identity_of(0), 1, VMMC_WRITE, VMMC_FOREVER) == VMMC_OK);
    EXPECT(vmmc_clock() >= 5 * kMillisecond);
    notebook.note(part, vmmc_clock());
    EXPECT(import_status(identity_of(0), 2, VMMC_WRITE, kMillisecond) == VMMC_OK);
    notebook.note(part, vmmc_clock());
  });
  REQUIRE(notes[1].size() == 4);
  CHECK(notes[1][0] == kMillisecond);
}

TEST_CASE("started imports and sends can be asked for in loops") {
  const Notes notes = simulate_again_and_again(2, [](Part& part, Notebook& notebook) {
    if (part.number() == 0) {
      EXPECT(vmmc_compute(2 * kMillisecond) == VMMC_OK);
      unsigned char* const memory = export_new(200'000, 1);
      await(memory + 100'000, 7);
      notebook.note(part, vmmc_clock());
      return;
    }
    vmmc_import_request request{};
    EXPECT(vmmc_import_start(identity_of(0), 1, nullptr, &request) == VMMC_OK);
    void* proxy = nullptr;
    int status = VMMC_PENDING;
    while ((status = vmmc_import_test(request, &proxy, nullptr)) == VMMC_PENDING) {
    }
    EXPECT(status == VMMC_OK);
    notebook.note(part, vmmc_clock());
    std::vector<unsigned char> source(100'000, 'x');
    vmmc_send_handle handle{};
    EXPECT(vmmc_send_start(source.data(), proxy, source.size(), &handle) == VMMC_OK);
    while ((status = vmmc_send_test(handle)) == VMMC_PENDING) {
    }
    EXPECT(status == VMMC_OK);
    notebook.note(part, vmmc_clock());
    const std::uint32_t flag = 7;
    EXPECT(vmmc_send_start(&flag, static_cast<char*>(proxy) + 100'000, sizeof flag, &handle) ==
           VMMC_OK);
    EXPECT(vmmc_send_wait(handle) == VMMC_OK);
    notebook.note(part, vmmc_clock());
  });
  CHECK(notes[1].size() == 3);
}

TEST_CASE("S12.3 a program that asks for its clock finds what has arrived") {
  simulate(2, [](Part& part, Notebook&) {
    const Everybody all(part, 2);
    if (part.number() == 0) {
      EXPECT(vmmc_compute(kMillisecond) == VMMC_OK);
      send_word(1, all.proxy(1));
      send_word(2, all.proxy(1));
      while (wait_for(all.memory(), 3, VMMC_WAIT_ADAPTIVE, 0) != VMMC_OK) {
      }
    } else {
      while (look(all.memory()) < 1) EXPECT(vmmc_clock() > 0);
      while (look(all.memory()) < 2) EXPECT(vmmc_compute(500) == VMMC_OK);
      send_word(3, all.proxy(0));
    }
  });
}

TEST_CASE("two threads of a process wait and compute side by side") {
  const Notes notes = simulate_again_and_again(1, [](Part& part, Notebook& notebook) {
    unsigned char* const memory = export_new(4096, 1);
    const Proxy self = import_from(0, 1);
    std::atomic<bool> takes_part{false};
    std::thread other([&] {
      (void)vmmc_clock();
      takes_part.store(true);
      EXPECT(vmmc_compute(30'000) == VMMC_OK);
      send_word(1, self.address);
    });
    // A thread that has not called yet is none for nicsim: nothing would keep time from running off.
    while (!takes_part.load()) EXPECT(vmmc_compute(1) == VMMC_OK);
    await(memory, 1);  // the other thread's send lets it go on
    other.join();
    EXPECT(vmmc_compute(1) == VMMC_OK);
    notebook.note(part, vmmc_clock() > 30'000);
  });
  CHECK(notes[0] == std::vector<std::uint64_t>{1});
}

TEST_CASE("a forked child takes no part, and may attach by itself") {
  simulate(1, [](Part& part, Notebook&) {
    (void)part;
    EXPECT(vmmc_compute(1000) == VMMC_OK);
    const std::uint64_t before = vmmc_clock();
    const pid_t child = ::fork();
    if (child == 0) {
      EXPECT(vmmc_time_is_simulated() == 0);
      EXPECT(vmmc_compute(1000) == VMMC_ERR_FORKED);
      ::unsetenv("VMMC_PROCESS");
      attach();
      EXPECT(vmmc_clock() >= before);
      EXPECT(vmmc_compute(70'000) == VMMC_OK);
      EXPECT(vmmc_finalize() == VMMC_OK);
      ::_exit(0);
    }
    int status = -1;
    siginfo_t ended{};
    // waitpid alone would let time stand still for the child.
    while (ended.si_pid == 0) {
      EXPECT(vmmc_compute(1000) == VMMC_OK);
      EXPECT(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0);
    }
    EXPECT(::waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
    EXPECT(vmmc_clock() >= before + 70'000);
  });
}

TEST_CASE("a process that leaves and comes again goes on at the time that it is then") {
  simulate(2, [](Part& part, Notebook&) {
    EXPECT(vmmc_compute(kMillisecond) == VMMC_OK);
    if (part.number() == 0) {
      EXPECT(vmmc_finalize() == VMMC_OK);
      EXPECT(vmmc_clock() == 0);
      EXPECT(vmmc_compute(1) == VMMC_ERR_NOT_ATTACHED);
      attach();
      EXPECT(vmmc_clock() >= kMillisecond);
    }
    const Everybody all(part, 2);
    send_word(1, all.proxy(all.next()));
    await(all.memory(), 1);
  });
}

TEST_CASE("a process that ends before others attach has been there") {
  const NicsimProcess nicsim(simulated(2));
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           EXPECT(vmmc_time_is_simulated() == 1);
                           part.value(0).store(1);
                           part.die();
                         },
                         [](Part& part) {
                           while (part.value(0).load() == 0) ::usleep(100);
                           ::usleep(20'000);
                           attach();
                           EXPECT(vmmc_compute(10) == VMMC_OK);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         }});
}

}  // namespace
}  // namespace vmmc::testing
