// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// In short; the collectives' own tests stand beside them.
#include "vmmc/collectives.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <vector>

#include "tests/conformance/conformance.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint32_t kRanks = 5;
constexpr std::size_t kCount = 300;

// Numbers whose sum depends on the order in which they are added.
double number_of(std::uint32_t rank, std::size_t index) {
  return std::ldexp(1.0 + 1.0 / (3.0 + rank + static_cast<double>(index)),
                    static_cast<int>((rank * 17 + index) % 60));
}

void sum_up(Part& part) {
  attach();
  vmmc_group* group = nullptr;
  EXPECT(vmmc_group_create(50, nullptr, &group) == VMMC_OK);
  std::vector<double> mine(kCount);
  for (std::size_t i = 0; i < kCount; ++i) mine[i] = number_of(part.number(), i);
  std::vector<double> sum(kCount);
  EXPECT(vmmc_allreduce(group, mine.data(), sum.data(), kCount, VMMC_DOUBLE, VMMC_SUM) == VMMC_OK);
  std::vector<double> roots = part.number() == 0 ? sum : std::vector<double>(kCount);
  EXPECT(vmmc_broadcast(group, roots.data(), 8 * kCount, 0) == VMMC_OK);
  double least = 0;
  double most = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    EXPECT(std::bit_cast<std::uint64_t>(sum[i]) == std::bit_cast<std::uint64_t>(roots[i]));
    double exact = 0;
    for (std::uint32_t rank = 0; rank < kRanks; ++rank) exact += number_of(rank, i);
    EXPECT(std::abs(sum[i] - exact) <= exact * 1e-14);
  }
  EXPECT(vmmc_allreduce(group, mine.data(), &least, 1, VMMC_DOUBLE, VMMC_MIN) == VMMC_OK);
  EXPECT(vmmc_allreduce(group, mine.data(), &most, 1, VMMC_DOUBLE, VMMC_MAX) == VMMC_OK);
  EXPECT((least == number_of(0, 0) && most == number_of(3, 0)));
  std::uint32_t outgoing[kRanks];
  std::uint32_t incoming[kRanks];
  for (std::uint32_t rank = 0; rank < kRanks; ++rank) outgoing[rank] = part.number() * 100 + rank;
  EXPECT(vmmc_all_to_all(group, outgoing, incoming, sizeof outgoing[0]) == VMMC_OK);
  for (std::uint32_t rank = 0; rank < kRanks; ++rank) {
    EXPECT(incoming[rank] == rank * 100 + part.number());
  }
  EXPECT(vmmc_group_destroy(group) == VMMC_OK);
}

}  // namespace

TEST_CASE("S10.6 collective operations give all processes the same result, in the same bits") {
  NicsimProcess nicsim;
  for (int round = 0; round < 3; ++round) {
    run_processes(nicsim, std::vector<std::function<void(Part&)>>(kRanks, sum_up));
  }
}
