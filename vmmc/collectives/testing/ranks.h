// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of this folder: the same body in n processes, and data that every rank can compute.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/collectives.h"
#include "vmmc/vmmc.h"

namespace vmmc::testing {

inline constexpr std::uint32_t kGroupId = 40;

inline void run_ranks(std::uint32_t size, const std::function<void(Part&)>& body) {
  CAPTURE(size);
  const NicsimProcess nicsim;
  run_processes(nicsim, std::vector<std::function<void(Part&)>>(size, [body](Part& part) {
                  EXPECT(vmmc_init(nullptr) == VMMC_OK);
                  body(part);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }));
}

inline vmmc_group* create_group(const vmmc_group_options* options = nullptr,
                                std::uint32_t id = kGroupId) {
  vmmc_group* group = nullptr;
  EXPECT(vmmc_group_create(id, options, &group) == VMMC_OK);
  return group;
}

// With a group made before and destroyed after the body.
inline void run_group(std::uint32_t size, const vmmc_group_options& options,
                      const std::function<void(vmmc_group*)>& body) {
  run_ranks(size, [&](Part&) {
    vmmc_group* const group = create_group(&options);
    body(group);
    EXPECT(vmmc_fence() == VMMC_OK);  // nothing that the group has sent was refused
    EXPECT(vmmc_group_destroy(group) == VMMC_OK);
  });
}

// The same in all ranks, another one in each run; printed for a run that fails.
inline std::uint64_t random_seed() {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  return seed;
}

// A number that depends on all of its arguments.
inline std::uint64_t scramble(std::uint64_t seed, std::uint64_t rank, std::uint64_t index) {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15 + rank * 0xc2b2ae3d27d4eb4f + index;
  x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 29) * 0x94d049bb133111eb;
  return x ^ x >> 32;
}

}  // namespace vmmc::testing
