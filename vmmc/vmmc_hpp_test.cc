// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.hpp"

using namespace vmmc::testing;

TEST_CASE("owners give back what they own, in the order of the scopes") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  auto attached = vmmc::attachment::attach().value();
                  {
                    auto memory = vmmc::memory::allocate(8192).value();
                    auto words = memory.as<std::uint32_t>();
                    EXPECT(words.size() == 2048);
                    auto buffer = vmmc::receive_buffer::export_memory(memory.bytes(), 7).value();
                    auto proxy = vmmc::proxy::import(vmmc::self(), 7).value();
                    EXPECT(proxy.size() == 8192);
                    EXPECT(proxy.send(std::uint32_t{42}, 8).has_value());
                    EXPECT(vmmc::wait(words[2], VMMC_EQUAL, 42).has_value());
                    const std::vector<std::byte> bytes(5000, std::byte{3});
                    EXPECT(proxy.send_start(bytes, 100).value().wait().has_value());
                    EXPECT(vmmc::fence().has_value());
                    EXPECT(std::equal(bytes.begin(), bytes.end(), memory.bytes().data() + 100));
                    EXPECT(vmmc::counters().value().transfers_sent == 2);
                    vmmc::proxy moved = std::move(proxy);
                    EXPECT(moved.send(std::uint64_t{1}, 8184).has_value());
                  }
                  // All of it is gone: the id is free, and the process may end its attachment.
                  auto memory = vmmc::memory::allocate(4096).value();
                  EXPECT(vmmc::receive_buffer::export_memory(memory.bytes(), 7).has_value());
                }});
}

TEST_CASE("errors are values, with the status and its sentence") {
  const auto attached = vmmc::memory::allocate(1);
  REQUIRE(!attached.has_value());
  CHECK(attached.error() == VMMC_ERR_NOT_ATTACHED);
  CHECK(attached.error().message() == vmmc_strerror(VMMC_ERR_NOT_ATTACHED));
  CHECK(std::string(attached.error().category().name()) == "vmmc");
  CHECK_THROWS_AS(vmmc::fence().value(), boost::system::system_error);
  CHECK(std::strlen(vmmc::last_error()) > 0);
}

TEST_CASE("fetches, atomic operations, redirections and registrations") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        auto attached = vmmc::attachment::attach().value();
        auto memory = vmmc::memory::allocate(8192).value();
        vmmc_export_options options = vmmc::export_defaults;
        options.redirectable = 1;
        auto buffer = vmmc::receive_buffer::export_memory(memory.bytes(), 7, options).value();
        const vmmc_import_options both{VMMC_READ | VMMC_WRITE, VMMC_EXECUTOR_AUTO, VMMC_FOREVER};
        auto proxy = vmmc::proxy::import(vmmc::self(), 7, both).value();

        EXPECT(proxy.fetch_add<std::uint32_t>(4, 5).value() == 0);
        EXPECT(proxy.swap<std::uint32_t>(4, 7).value() == 5);
        EXPECT(proxy.compare_swap<std::uint64_t>(8, 0, 9).value() == 0);
        EXPECT(proxy.compare_swap<std::uint64_t>(8, 0, 1).value() == 9);
        std::uint32_t word = 0;
        EXPECT(proxy.fetch(std::as_writable_bytes(std::span(&word, 1)), 4).has_value());
        EXPECT(word == 7);
        std::vector<std::byte> copy(8192);
        EXPECT(proxy.fetch_start(copy).value().wait().has_value());
        EXPECT(std::equal(copy.begin(), copy.end(), memory.bytes().data()));
        EXPECT(proxy.fetch_add<std::uint32_t>(6, 1).error() == VMMC_ERR_MISALIGNED);

        std::vector<std::byte> elsewhere(100);
        const auto registered = vmmc::registration::add(elsewhere).value();
        auto redirected = vmmc::redirection::begin(7, 4096, elsewhere).value();
        EXPECT(redirected.copied() == 0);
        EXPECT(proxy.send(std::uint32_t{3}, 4096).has_value());
        EXPECT(vmmc::fence().has_value());
        EXPECT(elsewhere[0] == std::byte{3});
        EXPECT(redirected.end().value() == 4);
      }});
}

TEST_CASE("a wait ends at its timeout, and a negative one is none") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  using namespace std::chrono_literals;
                  auto attached = vmmc::attachment::attach().value();
                  auto memory = vmmc::memory::allocate(4096).value();
                  const std::uint64_t& word = memory.as<std::uint64_t>()[0];
                  for (const auto timeout : {1'000'000ns, -5ns}) {
                    const auto waited =
                        vmmc::wait(word, VMMC_NOT_EQUAL, 0, VMMC_WAIT_BLOCK, timeout);
                    EXPECT(!waited && waited.error() == VMMC_ERR_TIMEOUT);
                  }
                  EXPECT(attached.finalize().has_value());
                }});
}
