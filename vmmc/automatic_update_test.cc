// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Automatic update from one process to another, through nicsim.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.hpp"

using namespace vmmc::testing;

namespace {

constexpr std::size_t kPage = 4096;
alignas(kPage) std::array<std::uint32_t, 2 * kPage / 4> local_words;
alignas(kPage) std::array<std::uint32_t, 2 * kPage / 4> remote_words;

std::span<std::byte> bytes_of(std::array<std::uint32_t, 2 * kPage / 4>& words) {
  return std::as_writable_bytes(std::span(words));
}
volatile std::uint32_t& local(std::size_t i) { return local_words[i]; }

}  // namespace

TEST_CASE("plain and typed stores of one process appear in the other, in their order") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part&) {
                   auto attached = vmmc::attachment::attach({nullptr, 0, 0, 1, 0, 0}).value();
                   auto buffer =
                       vmmc::receive_buffer::export_memory(bytes_of(remote_words), 7).value();
                   for (std::uint32_t round = 1; round <= 200; ++round) {
                     EXPECT(vmmc::wait(remote_words[1500], VMMC_AT_LEAST, round).has_value());
                     EXPECT(remote_words[3] >= round);
                     EXPECT(remote_words[1030] >= round);
                   }
                   EXPECT(vmmc::wait(remote_words[0], VMMC_EQUAL, 1).has_value());
                 },
                 [](Part&) {
                   auto attached = vmmc::attachment::attach({nullptr, 0, 1, 1, 0, 0}).value();
                   auto proxy = vmmc::proxy::import({0, 0}, 7).value();
                   auto bound = vmmc::binding::bind(bytes_of(local_words), proxy).value();
                   EXPECT(bound.capture().value() == VMMC_CAPTURE_TRAP);
                   auto words = bound.as<std::uint32_t>().value();
                   for (std::uint32_t round = 1; round <= 200; ++round) {
                     local(3) = round;
                     words[1030] = round;
                     local(1500) = round;
                   }
                   EXPECT(vmmc::fence().has_value());
                   EXPECT(vmmc::counters().value().automatic_updates > 0);
                   const pid_t child = ::fork();
                   if (child == 0) {
                     local(0) = 5;
                     ::_exit(local(0) == 5 && words[0].store(6).error() == VMMC_ERR_FORKED ? 0 : 1);
                   }
                   int status = -1;
                   ::waitpid(child, &status, 0);
                   EXPECT(status == 0);
                   EXPECT(local(0) == 0);
                   EXPECT(bound.unbind().has_value());
                   local(3) = 9;
                   EXPECT(proxy.send(std::uint32_t{1}, 0).has_value());
                   EXPECT(vmmc::fence().has_value());
                 }});
}

TEST_CASE("a timer sends what no further store does") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  auto attached = vmmc::attachment::attach().value();
                  auto buffer =
                      vmmc::receive_buffer::export_memory(bytes_of(remote_words), 7).value();
                  auto proxy = vmmc::proxy::import(vmmc::self(), 7).value();
                  auto bound = vmmc::binding::bind(bytes_of(local_words), proxy).value();
                  local(1) = 41;
                  EXPECT(vmmc::wait(remote_words[1], VMMC_EQUAL, 41).has_value());
                  vmmc::flush().value();
                  local(1) = 42;
                  vmmc::flush().value();
                  EXPECT(proxy.send(std::uint32_t{43}, 4).has_value());
                  EXPECT(vmmc::fence().has_value());
                  EXPECT(remote_words[1] == 43);
                }});
}

TEST_CASE("after an unexport stores stay local, and a fence says so once") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  auto attached = vmmc::attachment::attach().value();
                  auto buffer =
                      vmmc::receive_buffer::export_memory(bytes_of(remote_words), 7).value();
                  auto proxy = vmmc::proxy::import(vmmc::self(), 7).value();
                  auto bound = vmmc::binding::bind(bytes_of(local_words), proxy).value();
                  local(1) = 1;
                  EXPECT(vmmc::fence().has_value());
                  EXPECT(buffer.unexport().has_value());
                  local(1) = 2;
                  local(5) = 3;
                  EXPECT(vmmc::fence().error() == VMMC_ERR_UNEXPORTED);
                  local(1) = 4;
                  EXPECT(vmmc::fence().has_value());
                  EXPECT(remote_words[1] == 1);
                  EXPECT(local(1) == 4);
                }});
}

TEST_CASE("each word stored gives a notification") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        auto attached = vmmc::attachment::attach().value();
        static std::atomic<std::uint32_t> offsets{0};
        static std::atomic<std::uint32_t> count{0};
        vmmc_export_options with_handler = vmmc::export_defaults;
        with_handler.handler = [](const vmmc_notification* one, void*) {
          offsets += static_cast<std::uint32_t>(one->offset);
          ++count;
        };
        auto buffer =
            vmmc::receive_buffer::export_memory(bytes_of(remote_words), 7, with_handler).value();
        auto proxy = vmmc::proxy::import(vmmc::self(), 7).value();
        const vmmc_bind_options options = {VMMC_CAPTURE_AUTO, VMMC_COMBINE_BLOCK, 0, 1};
        auto bound = vmmc::binding::bind(bytes_of(local_words), proxy, 0, options).value();
        local(2) = 1;
        local(3) = 2;
        while (count.load() < 2) ::usleep(1000);
        EXPECT(offsets.load() == 20);
        EXPECT(remote_words[3] == 2);
      }});
}
