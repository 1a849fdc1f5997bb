// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Random operations of several processes against the reference model. $VMMC_SEED repeats the
// sequence that a failure names, $VMMC_RUNS says how many sequences there are to be.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "tests/random_operations/fleet.h"
#include "tests/random_operations/player.h"
#include "tests/support/processes/nicsim_process.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::testing;
using namespace vmmc::testing::random_operations;
using vmmc::internal::testing::choose_seed;
using vmmc::internal::testing::Watchdog;

namespace {

using Clock = std::chrono::steady_clock;

// Sanitizers and loaded machines get through fewer in the time, but never through none.
struct Extent {
  int least = 10;
  int most = 4'000;
  std::chrono::seconds time{10};
};

Extent extent() {
  Extent extent;
  if (Watchdog::soak()) extent = {2'000, 100'000, std::chrono::seconds(1'200)};
  if (const char* runs = std::getenv("VMMC_RUNS")) {
    extent.least = extent.most = std::max(1, std::atoi(runs));
  }
  return extent;
}

// Every sequence has a seed of its own, and does not depend on those before it.
int play_many(Player& player, std::uint32_t seed) {
  const Extent wanted = extent();
  const auto start = Clock::now();
  int played = 0;
  for (; played < wanted.most; ++played) {
    if (played >= wanted.least && Clock::now() - start > wanted.time) break;
    const std::uint32_t own_seed = seed + static_cast<std::uint32_t>(played);
    try {
      player.play(own_seed, 20 + static_cast<int>(own_seed % 21));
    } catch (const Mismatch& mismatch) {
      FAIL("repeat with VMMC_SEED=" << own_seed << " VMMC_RUNS=1\n"
                                    << std::string(mismatch.what()));
    }
  }
  const std::chrono::duration<double> seconds = Clock::now() - start;
  MESSAGE(played << " sequences, " << played / seconds.count() << " per second");
  return played;
}

}  // namespace

TEST_CASE("random operations of several processes do what the reference model says") {
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  NicsimProcess nicsim({"--nodes", "2"});
  Fleet fleet(nicsim.socket());
  const auto player = std::make_unique<Player>(fleet);
  CHECK(play_many(*player, seed) > 0);
  MESSAGE("operations:" << player->statistics());
  CHECK(player->lent() > 0);
}
