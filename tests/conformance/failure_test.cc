// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/conformance/conformance.h"

using namespace vmmc::testing;

namespace {

constexpr vmmc_wait_strategy kStrategies[] = {VMMC_WAIT_ADAPTIVE, VMMC_WAIT_SPIN, VMMC_WAIT_PAUSE,
                                              VMMC_WAIT_YIELD, VMMC_WAIT_BLOCK};

}  // namespace

TEST_CASE("S5.1 S5.2 every strategy finds the word, and what was sent before it") {
  NicsimProcess nicsim;
  for (const vmmc_wait_strategy strategy : kStrategies) {
    CAPTURE(strategy);
    run_processes(
        nicsim,
        {[strategy](Part&) {
           attach();
           unsigned char* memory = export_new(4096, 1);
           Proxy answer = import_from(1, 2);
           auto* flag = reinterpret_cast<std::uint64_t*>(memory + 2048);
           for (std::uint64_t round = 1; round <= 50; ++round) {
             EXPECT(vmmc_wait_64(flag, VMMC_AT_LEAST, round, strategy, kPatience) == VMMC_OK);
             EXPECT(memory[0] == round);
             EXPECT(memory[1999] == round);
             send_word(static_cast<std::uint32_t>(round), answer.address);
           }
           EXPECT(vmmc_fence() == VMMC_OK);
         },
         [strategy](Part&) {
           attach();
           unsigned char* memory = export_new(64, 2);
           Proxy proxy = import_from(0, 1);
           auto* answer = reinterpret_cast<std::uint32_t*>(memory);
           for (std::uint64_t round = 1; round <= 50; ++round) {
             std::vector<unsigned char> data(2000, static_cast<unsigned char>(round));
             EXPECT(vmmc_send(data.data(), proxy.address, 2000) == VMMC_OK);
             EXPECT(vmmc_send(&round, proxy.address + 2048, 8) == VMMC_OK);
             EXPECT(vmmc_wait_32(answer, VMMC_NOT_EQUAL, static_cast<std::uint32_t>(round - 1),
                                 strategy, kPatience) == VMMC_OK);
           }
         }});
  }
}

TEST_CASE("S5.3 every strategy ends at its timeout") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        auto* word = reinterpret_cast<std::uint32_t*>(export_new(64, 1));
        for (const vmmc_wait_strategy strategy : kStrategies) {
          EXPECT(vmmc_wait_32(word, VMMC_EQUAL, 1, strategy, 20'000'000) == VMMC_ERR_TIMEOUT);
          EXPECT(vmmc_wait_32(word, VMMC_EQUAL, 1, strategy, 0) == VMMC_ERR_TIMEOUT);
          EXPECT(vmmc_wait_32(word, VMMC_EQUAL, 0, strategy, 0) == VMMC_OK);
          const int backwards = vmmc_wait_strategy_from_name(vmmc_wait_strategy_name(strategy));
          EXPECT(backwards == static_cast<int>(strategy));
        }
        const auto* odd =
            reinterpret_cast<std::uint32_t*>(reinterpret_cast<unsigned char*>(word) + 2);
        EXPECT(vmmc_wait_32(odd, VMMC_EQUAL, 1, VMMC_WAIT_SPIN, 0) == VMMC_ERR_MISALIGNED);
        EXPECT(vmmc_wait_strategy_from_name("busy") == -1);
      }});
}

TEST_CASE("S5.3 S6.2 every waiting call ends when nicsim is killed") {
  for (const vmmc_wait_strategy strategy : kStrategies) {
    CAPTURE(strategy);
    NicsimProcess nicsim;
    const pid_t nicsim_pid = nicsim.pid();
    run_processes(
        nicsim,
        {[strategy](Part& part) {
           attach();
           auto* word = reinterpret_cast<std::uint32_t*>(export_new(64, 1));
           Proxy proxy = import_from(0, 1);
           std::thread importer([] {
             EXPECT(import_status({0, 55}, 1, VMMC_WRITE, VMMC_FOREVER) == VMMC_ERR_NICSIM_GONE);
           });
           part.meet();
           EXPECT(vmmc_wait_32(word, VMMC_EQUAL, 1, strategy, VMMC_FOREVER) ==
                  VMMC_ERR_NICSIM_GONE);
           importer.join();
           std::uint32_t value = 1;
           EXPECT(vmmc_send(&value, proxy.address, 4) == VMMC_ERR_NICSIM_GONE);
           EXPECT(vmmc_fence() == VMMC_ERR_NICSIM_GONE);
           EXPECT(vmmc_export(word, 4, 2, nullptr) == VMMC_ERR_NICSIM_GONE);
           EXPECT(vmmc_unexport(1) == VMMC_ERR_NICSIM_GONE);
           EXPECT(vmmc_finalize() == VMMC_ERR_NICSIM_GONE);
           EXPECT(vmmc_finalize() == VMMC_ERR_NOT_ATTACHED);
           vmmc_init_options options = VMMC_INIT_DEFAULTS;
           options.never_start = 1;
           EXPECT(vmmc_init(&options) == VMMC_ERR_NO_NICSIM);
         },
         [nicsim_pid](Part& part) {
           part.meet();
           ::usleep(50'000);
           ::kill(nicsim_pid, SIGKILL);
         }});
  }
}

TEST_CASE("S6.1 a process killed in the middle of sends leaves the others working") {
  NicsimProcess nicsim;
  for (int round = 0; round < 10; ++round) {
    run_processes(nicsim, {[](Part& part) {
                             attach();
                             unsigned char* memory = export_new(1 << 20, 1);
                             Proxy answer = import_from(1, 2);
                             part.meet();
                             part.meet();
                             await(memory, 77);
                             send_word(78, answer.address);
                             EXPECT(vmmc_fence() == VMMC_OK);
                           },
                           [](Part& part) {
                             attach();
                             unsigned char* memory = export_new(64, 2);
                             Proxy proxy = import_from(0, 1);
                             part.meet();
                             part.meet();
                             send_word(77, proxy.address);
                             await(memory, 78);
                           },
                           [round](Part& part) {
                             attach();
                             Proxy proxy = import_from(0, 1);
                             part.meet();
                             std::thread executioner([&] {
                               ::usleep(1000 + 777 * round);
                               part.die();
                             });
                             auto* data = static_cast<unsigned char*>(allocate(1 << 20));
                             for (std::size_t n = 1;; n = n * 5 % 999'983) {
                               vmmc_send_handle handle;
                               vmmc_send_start(data, proxy.address + 4, 1 + n, &handle);
                             }
                           }});
  }
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("S6.3 every status has a name and a sentence of its own") {
  std::vector<std::string> names;
  for (int status = 1; status > -100; --status) {
    const std::string name = vmmc_status_name(status);
    const std::string sentence = vmmc_strerror(status);
    CHECK_FALSE(sentence.empty());
    if (name.rfind("VMMC_", 0) == 0) names.push_back(name + sentence);
  }
  CHECK(names.size() > 40);
  std::sort(names.begin(), names.end());
  CHECK(std::unique(names.begin(), names.end()) == names.end());
}

TEST_CASE("S6.4 memory that cannot be had is an error of the call") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        void* memory = nullptr;
        EXPECT(vmmc_alloc(SIZE_MAX, &memory) == VMMC_ERR_LENGTH_OVERFLOW ||
               vmmc_alloc(SIZE_MAX, &memory) == VMMC_ERR_OUT_OF_MEMORY);
        const rlimit limit{16 << 20, 16 << 20};
        EXPECT(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        EXPECT(vmmc_alloc(32 << 20, &memory) == VMMC_ERR_OUT_OF_MEMORY);
        std::vector<unsigned char> large(32 << 20, 3);
        EXPECT(vmmc_export(large.data(), large.size(), 1, nullptr) == VMMC_ERR_OUT_OF_MEMORY);
        EXPECT(large[0] == 3);
        EXPECT(large[large.size() - 1] == 3);
        EXPECT(vmmc_alloc(4096, &memory) == VMMC_OK);
        EXPECT(vmmc_free(memory) == VMMC_OK);
        EXPECT(vmmc_free(memory) == VMMC_ERR_NOT_ALLOCATED);
        EXPECT(vmmc_alloc(0, &memory) == VMMC_ERR_ZERO_LENGTH);
        unsigned char* exported = export_new(4096, 2);
        EXPECT(vmmc_free(exported) == VMMC_ERR_IN_USE);
      }});
}
