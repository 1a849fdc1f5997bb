// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Programs of many processes: the same clocks on each run, whoever starts first.

#include <doctest/doctest.h>

#include "tests/simulated_time/simulated_run.h"
#include "vmmc/collectives.h"

namespace vmmc::testing {
namespace {

void all_to_all(Part& part, Notebook& notebook, std::uint32_t parts) {
  const Everybody all(part, parts);
  for (std::uint32_t round = 1; round <= 5; ++round) {
    for (std::uint32_t step = 1; step < parts; ++step) {
      const std::uint32_t to = (part.number() + step) % parts;
      send_word(round, all.proxy(to) + 4 * part.number());
    }
    for (std::uint32_t from = 0; from < parts; ++from) {
      if (from != part.number()) {
        EXPECT(vmmc_wait_32(reinterpret_cast<std::uint32_t*>(all.memory() + 4 * from),
                            VMMC_AT_LEAST, round, VMMC_WAIT_ADAPTIVE, VMMC_FOREVER) == VMMC_OK);
      }
    }
    notebook.note(part, vmmc_clock());
  }
}

void ring(Part& part, Notebook& notebook, std::uint32_t parts) {
  const Everybody all(part, parts);
  for (std::uint32_t round = 1; round <= 5; ++round) {
    if (part.number() == 0) send_word(round, all.proxy(all.next()));
    await(all.memory(), round);
    EXPECT(vmmc_compute(1000 * (part.number() + 1)) == VMMC_OK);
    if (part.number() != 0) send_word(round, all.proxy(all.next()));
    notebook.note(part, vmmc_clock());
  }
}

void collectives(Part& part, Notebook& notebook, std::uint32_t parts) {
  vmmc_group* group = nullptr;
  EXPECT(vmmc_group_create(10, nullptr, &group) == VMMC_OK);
  notebook.note(part, vmmc_clock());
  EXPECT(vmmc_barrier(group) == VMMC_OK);
  notebook.note(part, vmmc_clock());
  std::vector<unsigned char> data(20'000, part.number() == 1 ? 'b' : 'a');
  EXPECT(vmmc_broadcast(group, data.data(), data.size(), 1) == VMMC_OK);
  EXPECT(data.front() == 'b');
  EXPECT(data.back() == 'b');
  notebook.note(part, vmmc_clock());
  const std::uint64_t mine = part.number() + 1;
  std::uint64_t sum = 0;
  EXPECT(vmmc_allreduce(group, &mine, &sum, 1, VMMC_UINT64, VMMC_SUM) == VMMC_OK);
  EXPECT(sum == std::uint64_t{parts} * (parts + 1) / 2);
  notebook.note(part, vmmc_clock());
  std::vector<std::uint32_t> outgoing(parts, part.number());
  std::vector<std::uint32_t> incoming(parts, 99);
  EXPECT(vmmc_all_to_all(group, outgoing.data(), incoming.data(), 4) == VMMC_OK);
  for (std::uint32_t from = 0; from < parts; ++from) EXPECT(incoming[from] == from);
  notebook.note(part, vmmc_clock());
  EXPECT(vmmc_group_destroy(group) == VMMC_OK);
  notebook.note(part, vmmc_clock());
}

void check(void (*program)(Part&, Notebook&, std::uint32_t)) {
  for (const std::uint32_t parts : {2u, 16u}) {
    CAPTURE(parts);
    const Notes notes = simulate_again_and_again(
        parts, [&](Part& part, Notebook& notebook) { program(part, notebook, parts); });
    for (const auto& clocks : notes) {
      REQUIRE_FALSE(clocks.empty());
      for (std::size_t i = 1; i < clocks.size(); ++i) CHECK(clocks[i - 1] <= clocks[i]);
    }
  }
}

TEST_CASE("S12.5 flags from all to all") { check(all_to_all); }
TEST_CASE("S12.5 a ring of processes that compute") { check(ring); }
TEST_CASE("S12.5 collective operations") { check(collectives); }

TEST_CASE("S12.1 S12.4 what a process computes is its clock's, and nobody else's") {
  const Notes notes = simulate_again_and_again(3, [](Part& part, Notebook& notebook) {
    const std::uint64_t start = vmmc_clock();
    EXPECT(vmmc_compute(12'345 * (part.number() + 1)) == VMMC_OK);
    notebook.note(part, vmmc_clock() - start);
  });
  CHECK(notes == Notes{{12'345}, {24'690}, {37'035}});
}

}  // namespace
}  // namespace vmmc::testing
