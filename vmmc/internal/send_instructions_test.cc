// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a small send costs in the library, in machine instructions: a number that no noise moves, so
// that whoever makes the send path longer learns of it.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/support/processes/run_processes.h"
#include "vmmc/internal/testing/single_step.h"
#include "vmmc/vmmc.h"

using namespace vmmc::internal::testing;
using namespace vmmc::testing;

#if defined(VMMC_SINGLE_STEP)

namespace {

constexpr std::size_t kSends = 1024;

// Of one vmmc_send of `length` bytes: the usual case (the median), and the average, in which the
// doorbells and the queue's book-keeping have their share.
struct Cost {
  std::uint64_t usual;
  std::uint64_t average;
};

Cost cost_of_send(void* proxy, std::size_t length) {
  std::vector<unsigned char> source(length, 1);
  std::vector<std::uint64_t> counts(kSends);
  std::uint64_t sum = 0;
  for (std::uint64_t& count : counts) {
    int status = VMMC_OK;
    count = SingleStep::run([&] { status = vmmc_send(source.data(), proxy, length); });
    EXPECT(status == VMMC_OK);
    sum += count;
  }
  EXPECT(vmmc_fence() == VMMC_OK);
  std::nth_element(counts.begin(), counts.begin() + kSends / 2, counts.end());
  return {counts[kSends / 2], sum / kSends};
}

}  // namespace

TEST_CASE("a small send takes no more instructions than it did") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
    EXPECT(vmmc_init(nullptr) == VMMC_OK);
    void* memory = nullptr;
    void* proxy = nullptr;
    EXPECT(vmmc_alloc(4096, &memory) == VMMC_OK);
    EXPECT(vmmc_export(memory, 4096, 1, nullptr) == VMMC_OK);
    EXPECT(vmmc_import(vmmc_self(), 1, nullptr, &proxy, nullptr) == VMMC_OK);
    int index = 0;
    for (const std::size_t length : {4, 8, 40, 100}) {
      const Cost cost = cost_of_send(proxy, length);
      std::printf("%zu bytes: usually %llu instructions, %llu on average\n", length,
                  static_cast<unsigned long long>(cost.usual),
                  static_cast<unsigned long long>(cost.average));
      part.value(index++) = cost.usual;
    }
    EXPECT(vmmc_finalize() == VMMC_OK);
  }});
}

#endif
