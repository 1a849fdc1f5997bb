// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/collectives.hpp"

using namespace vmmc::testing;

namespace {

void use_all(Part&) {
  auto attached = vmmc::attachment::attach().value();
  auto group = vmmc::group::create(9).value();
  const std::uint32_t rank = vmmc::rank();
  const std::uint32_t size = vmmc::size();
  EXPECT(group.barrier().has_value());
  EXPECT(group.allreduce(std::int64_t{rank}, VMMC_SUM).value() == size * (size - 1) / 2);
  EXPECT(group.allreduce(0.5 * rank, VMMC_MAX).value() == 0.5 * (size - 1));

  std::vector<float> values(100, static_cast<float>(rank));
  EXPECT(group.broadcast(std::span(values), 1).has_value());
  EXPECT(values[99] == 1.0f);
  EXPECT(group.allreduce(std::span(values), VMMC_SUM).has_value());
  EXPECT(values[99] == static_cast<float>(size));
  std::vector<std::uint32_t> ranks{rank, rank + 1};
  EXPECT(group.reduce(std::span(ranks), VMMC_MAX, 2).has_value());
  EXPECT(ranks[1] == (rank == 2 ? size : rank + 1));

  const std::vector<std::uint32_t> outgoing(2 * size, rank);
  std::vector<std::uint32_t> incoming(2 * size);
  EXPECT(group.all_to_all(std::span(outgoing), std::span(incoming)).has_value());
  for (std::uint32_t i = 0; i < 2 * size; ++i) EXPECT(incoming[i] == i / 2);

  EXPECT(group.broadcast(std::span(values), size).error() == VMMC_ERR_INVALID_ARGUMENT);
  EXPECT(group.all_to_all(std::span(outgoing), std::span(incoming).first(1)).error() ==
         VMMC_ERR_INVALID_ARGUMENT);
  vmmc::group moved = std::move(group);
  EXPECT(moved.barrier().has_value());
  EXPECT(moved.destroy().has_value());
  EXPECT(vmmc::group::create(9).has_value());
}

}  // namespace

TEST_CASE("every operation through the owner, which ends the group") {
  NicsimProcess nicsim;
  run_processes(nicsim, {use_all, use_all, use_all});
}

TEST_CASE("C++ types are those of the C interface") {
  CHECK(vmmc::type_of<int> == VMMC_INT32);
  CHECK(vmmc::type_of<unsigned> == VMMC_UINT32);
  CHECK(vmmc::type_of<long> == VMMC_INT64);
  CHECK(vmmc::type_of<unsigned long long> == VMMC_UINT64);
  CHECK(vmmc::type_of<float> == VMMC_FLOAT);
  CHECK(vmmc::type_of<double> == VMMC_DOUBLE);
}
