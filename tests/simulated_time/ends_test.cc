// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Processes are killed in whatever state they are in, and nicsim is: the others go on.

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/simulated_time/simulated_run.h"

namespace vmmc::testing {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

using State = void (*)(const Proxy& survivor, unsigned char* own);

// Part 1 says its pid and gets into `state`; part 0 kills it, and sends to it until it is told.
// While it runs time stands still.
void kill_in(State state, bool runs = false) {
  const NicsimProcess nicsim({"--model", "shrimp-2"});
  run_processes(nicsim, {[=](Part& part) {
                           attach();
                           void* const memory = allocate(kBufferBytes);
                           vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                           options.handler = vmmc_no_action;
                           EXPECT(vmmc_export(memory, kBufferBytes, 1, &options) == VMMC_OK);
                           const Proxy victim = import_from(1, 1);
                           while (part.value(0).load() == 0) ::usleep(100);
                           for (int i = 0; i < 20; ++i) {
                             if (!runs) let_time_pass();
                             ::usleep(500);
                           }
                           EXPECT(::kill(static_cast<pid_t>(part.value(0).load()), SIGKILL) == 0);
                           int status = VMMC_OK;
                           const std::uint32_t word = 1;
                           while (status == VMMC_OK) {
                             status = vmmc_send(&word, victim.address, sizeof word);
                             if (status == VMMC_OK) status = vmmc_fence();
                             if (status == VMMC_OK) ::usleep(100);
                           }
                           EXPECT(status == VMMC_ERR_PEER_DEAD);
                           const std::uint64_t before = vmmc_clock();
                           EXPECT(vmmc_compute(1000) == VMMC_OK);
                           EXPECT(vmmc_clock() == before + 1000);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [=](Part& part) {
                           attach();
                           unsigned char* const own = export_new(4096, 1);
                           const Proxy survivor = import_from(0, 1);
                           part.expect_to_be_killed();
                           part.value(0).store(static_cast<std::uint64_t>(::getpid()));
                           for (;;) state(survivor, own);
                         }});
  // Whoever comes now finds everything in order.
  run_processes(nicsim, {[](Part&) {
                  attach();
                  EXPECT(vmmc_compute(10'000'000) == VMMC_OK);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }});
}

TEST_CASE("S12.6 a process is killed while it runs") {
  kill_in([](const Proxy&, unsigned char*) { ::usleep(100); }, true);
}
TEST_CASE("a process is killed while it is parked") {
  kill_in([](const Proxy&, unsigned char* own) { await(own + 64, 1); });
}
TEST_CASE("a process is killed while it computes") {
  kill_in([](const Proxy&, unsigned char*) { EXPECT(vmmc_compute(1'000'000'000'000) == VMMC_OK); });
}
TEST_CASE("a process is killed while it waits for an import") {
  kill_in([](const Proxy&, unsigned char*) {
    (void)import_status(identity_of(0), 99, VMMC_WRITE, VMMC_FOREVER);
  });
}
TEST_CASE("a process is killed with sends under way") {
  kill_in([](const Proxy& survivor, unsigned char*) {
    static const std::vector<unsigned char> source(kBufferBytes, 'x');
    vmmc_send_handle handle{};
    (void)vmmc_send_start(source.data(), survivor.address, source.size(), &handle);
  });
}
TEST_CASE("a process is killed with fetches and atomic operations under way") {
  kill_in([](const Proxy&, unsigned char*) {
    const Proxy readable = import_by(VMMC_EXECUTOR_AUTO, 0, 1, VMMC_READ | VMMC_WRITE);
    static std::vector<unsigned char> sink(kBufferBytes);
    for (;;) {
      vmmc_send_handle handle{};
      (void)vmmc_fetch_start(sink.data(), readable.address, sink.size(), &handle);
      (void)vmmc_fetch_add_32(readable.address, 1, nullptr);
    }
  });
}
TEST_CASE("a process is killed with notifications under way") {
  kill_in([](const Proxy& survivor, unsigned char*) {
    for (int i = 0; i < 50; ++i) (void)vmmc_send_notify("x", survivor.address, 1, 1);
  });
}
TEST_CASE("a process is killed with a packet open") {
  kill_in([](const Proxy& survivor, unsigned char*) {
    void* const local = allocate(4096);
    const vmmc_bind_options options{VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK, 50'000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, survivor.address, 4096, &options, &binding) == VMMC_OK);
    for (std::uint32_t i = 0;; ++i) {
      (void)vmmc_au_store32(binding, static_cast<std::uint32_t*>(local) + i % 100, i);
      EXPECT(vmmc_compute(100) == VMMC_OK);
    }
  });
}

// What it has stored arrives, and whoever stores there afterwards finds nothing of it.
TEST_CASE("a process is killed with a packet open, and another one of its node stores") {
  const NicsimProcess nicsim(simulated(3));
  const auto bind_block = [](const Proxy& to, std::uint32_t*& local) {
    local = static_cast<std::uint32_t*>(allocate(4096));
    const vmmc_bind_options options{VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK, 50'000, 0};
    vmmc_binding* binding = nullptr;
    EXPECT(vmmc_bind(local, to.address, 4096, &options, &binding) == VMMC_OK);
    return binding;
  };
  run_processes(nicsim, {[](Part&) {
                           attach();
                           unsigned char* const own = export_new(4096, 1);
                           await(own + 2048, 5);
                           std::uint32_t first = 0;
                           std::memcpy(&first, own, sizeof first);
                           EXPECT(first == 1);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [=](Part& part) {
                           attach();
                           std::uint32_t* local = nullptr;
                           vmmc_binding* const binding = bind_block(import_from(0, 1), local);
                           EXPECT(vmmc_au_store32(binding, local, 1) == VMMC_OK);
                           EXPECT(vmmc_compute(1'000'000) == VMMC_OK);
                           part.expect_to_be_killed();
                           part.value(0).store(static_cast<std::uint64_t>(::getpid()));
                           for (;;) EXPECT(vmmc_compute(1000) == VMMC_OK);
                         },
                         [=](Part& part) {
                           vmmc_init_options beside = VMMC_INIT_DEFAULTS;
                           beside.node = 1;
                           beside.process = 7;
                           EXPECT(vmmc_init(&beside) == VMMC_OK);
                           std::uint32_t* local = nullptr;
                           vmmc_binding* const binding = bind_block(import_from(0, 1), local);
                           while (part.value(0).load() == 0) EXPECT(vmmc_compute(1000) == VMMC_OK);
                           EXPECT(::kill(static_cast<pid_t>(part.value(0).load()), SIGKILL) == 0);
                           EXPECT(vmmc_compute(1'000'000) == VMMC_OK);
                           EXPECT(vmmc_au_store32(binding, local + 512, 5) == VMMC_OK);
                           EXPECT(vmmc_flush() == VMMC_OK);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         }});
}

TEST_CASE("a process that attaches and dies before time begins does not count") {
  const NicsimProcess nicsim(simulated(2));
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           part.value(0).store(1);
                           EXPECT(vmmc_compute(1000) == VMMC_OK);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [](Part& part) {
                           while (part.value(0).load() == 0) ::usleep(100);
                           attach();
                           part.die();
                         }});
}

// What a part waits for when nicsim is killed; the status that it gets.
using Wait = int (*)(unsigned char* own);

constexpr std::uint32_t kNotified = 2;  // a buffer of its own that nobody sends to

void lose_nicsim_in(Wait wait, bool second_thread = false) {
  NicsimProcess nicsim({"--model", "shrimp-2"});
  Notebook notebook;
  std::atomic<int>* const waits = static_cast<std::atomic<int>*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::thread killer([&] {
    while (waits->load() == 0) ::usleep(1000);
    ::usleep(50'000);
    nicsim.kill();
  });
  run_processes(nicsim.socket(), {[=](Part&) {
                  attach();
                  unsigned char* const own = export_new(4096, 1);
                  vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                  options.handler = vmmc_no_action;
                  EXPECT(vmmc_export(allocate(4096), 4096, kNotified, &options) == VMMC_OK);
                  std::thread other;
                  if (second_thread) {
                    other = std::thread([&] { EXPECT(wait(own) == VMMC_ERR_NICSIM_GONE); });
                  }
                  waits->store(1);
                  EXPECT(wait(own) == VMMC_ERR_NICSIM_GONE);
                  if (second_thread) other.join();
                  EXPECT(vmmc_compute(1000) == VMMC_ERR_NICSIM_GONE);
                  EXPECT(wait(own) == VMMC_ERR_NICSIM_GONE);
                  EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
                }});
  killer.join();
  ::munmap(waits, 4096);
}

TEST_CASE("nicsim is killed, and every wait ends") {
  const Wait waits[] = {
      [](unsigned char* own) {
        return vmmc_wait_32(reinterpret_cast<std::uint32_t*>(own), VMMC_EQUAL, 1,
                            VMMC_WAIT_ADAPTIVE, VMMC_FOREVER);
      },
      [](unsigned char* own) {
        std::uint64_t steps = 0;
        int status = VMMC_OK;
        while (status == VMMC_OK) {
          status = vmmc_wait_32(reinterpret_cast<std::uint32_t*>(own), VMMC_EQUAL, 1,
                                VMMC_WAIT_ADAPTIVE, ++steps);
          if (status == VMMC_ERR_TIMEOUT) status = VMMC_OK;
        }
        return status;
      },
      [](unsigned char*) { return vmmc_compute(UINT64_MAX); },
      [](unsigned char*) {
        int status = VMMC_OK;
        while (status == VMMC_OK) status = vmmc_compute(1000);
        return status;
      },
      [](unsigned char*) {
        return import_status({0, 99}, 1, VMMC_WRITE, VMMC_FOREVER);
      },
  };
  int number = 0;
  for (const Wait wait : waits) {
    CAPTURE(number++);
    lose_nicsim_in(wait);
    lose_nicsim_in(wait, true);
  }
}

TEST_CASE("nicsim is killed while a process waits for a notification") {
  lose_nicsim_in(
      [](unsigned char*) { return vmmc_wait_notification(kNotified, VMMC_FOREVER, nullptr); });
}

TEST_CASE("nicsim leaves with its last client") {
  NicsimProcess nicsim({"--model", "shrimp-2", "--leave-with-last-client"});
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           part.meet();
                           EXPECT(vmmc_compute(5'000'000) == VMMC_OK);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           EXPECT(vmmc_compute(1'000'000) == VMMC_OK);
                           part.die();
                         }});
  CHECK(nicsim.wait() == 0);
}

TEST_CASE("nicsim ends when it is told to, whoever runs") {
  NicsimProcess nicsim({"--model", "shrimp-2"});
  run_processes(nicsim, {[](Part&) {
                  attach();
                  EXPECT(vmmc_compute(1000) == VMMC_OK);
                }});
  CHECK(nicsim.terminate() == 0);
}

}  // namespace
}  // namespace vmmc::testing
