// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a small send costs in the library, in machine instructions: a number that no noise moves, so
// that whoever makes the send path longer learns of it. nicsim is stopped meanwhile: the first send
// rings for it, the others find that somebody has.

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "tests/support/processes/run_processes.h"
#include "vmmc/internal/testing/single_step.h"
#include "vmmc/vmmc.h"

// VMMC_INSTRUMENTED: built with checks in the code, whose instructions are not meant.
#if defined(VMMC_SINGLE_STEP) && defined(__OPTIMIZE__) && !defined(VMMC_INSTRUMENTED)

using namespace vmmc::internal::testing;
using namespace vmmc::testing;

namespace {

struct Bound {
  std::size_t length;     // bytes sent
  std::uint64_t usual;    // instructions: a fifth above what was measured
  std::uint64_t ringing;  // of a send that wakes nicsim, without the kernel's
};
constexpr Bound kBounds[] = {{4, 190, 295}, {8, 190, 295}, {40, 220, 325}, {100, 355, 460}};

std::uint64_t instructions_of_send(void* proxy, std::size_t length) {
  const std::vector<unsigned char> source(length, 1);
  int status = VMMC_OK;
  const std::uint64_t count =
      SingleStep::run([&] { status = vmmc_send(source.data(), proxy, length); });
  EXPECT(status == VMMC_OK);
  return count;
}

std::uint64_t doorbells() {
  vmmc_counters counters;
  EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
  return counters.doorbells;
}

void check_sends(void* proxy, pid_t nicsim, const Bound& bound) {
  EXPECT(vmmc_fence() == VMMC_OK);
  ::usleep(100'000);  // by now nicsim sleeps, or is busy and no doorbell is needed
  EXPECT(::kill(nicsim, SIGSTOP) == 0);
  const std::uint64_t rings = doorbells();
  const std::uint64_t first = instructions_of_send(proxy, bound.length);
  const bool rang = doorbells() > rings;
  std::uint64_t usual = UINT64_MAX;
  for (int i = 0; i < 20; ++i) usual = std::min(usual, instructions_of_send(proxy, bound.length));
  EXPECT(doorbells() <= rings + 1);
  EXPECT(::kill(nicsim, SIGCONT) == 0);
  std::printf("%zu bytes: %llu instructions, %llu %s\n", bound.length,
              static_cast<unsigned long long>(usual), static_cast<unsigned long long>(first),
              rang ? "with the doorbell" : "the first time");
  EXPECT(usual <= bound.usual);
  EXPECT(!rang || first <= bound.ringing);
}

}  // namespace

TEST_CASE("a small send takes no more instructions than it did") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[&](Part&) {
                  EXPECT(vmmc_init(nullptr) == VMMC_OK);
                  void* memory = nullptr;
                  void* proxy = nullptr;
                  EXPECT(vmmc_alloc(4096, &memory) == VMMC_OK);
                  EXPECT(vmmc_export(memory, 4096, 1, nullptr) == VMMC_OK);
                  EXPECT(vmmc_import(vmmc_self(), 1, nullptr, &proxy, nullptr) == VMMC_OK);
                  for (const Bound& bound : kBounds) check_sends(proxy, nicsim.pid(), bound);
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }});
}

#endif
