// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a typed store costs, posting included. Says it, and checks that nothing was lost meanwhile; how long is too
// long is not a test's to say.

#include <doctest/doctest.h>

#include <string>

#include "vmmc/internal/automatic/testing/automatic_rig.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::size_t kPages = 4;
constexpr std::size_t kWords = kPages * wire::kPageSize / sizeof(std::uint64_t);

// ns per store: stores to one word after the other, `step` words apart. nicsim works between the
// measurements, whenever half of the send queue may be full.
double cost_of(int capture, int combining, std::size_t step, std::uint64_t passes) {
  AutomaticRig rig;
  ProgramPages local(kPages);
  vmmc_binding* const handle =
      rig.bind(local.at(), kPages * wire::kPageSize, {capture, combining, 50'000, 0});
  std::uint64_t arrived = 0;
  rig.on_packet = [&](const SeenPacket& packet) { arrived += packet.bytes.size(); };
  auto* const words = local.word<std::uint64_t>(0);
  constexpr std::size_t kBurst = wire::kSendSlots / 2;
  std::uint64_t stores = 0;
  std::uint64_t failures = 0;
  std::uint64_t elapsed = 0;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    for (std::size_t burst = 0; burst < kWords; burst += kBurst * step) {
      const std::uint64_t begin = monotonic_ns();
      for (std::size_t i = burst; i < burst + kBurst * step; i += step) {
        failures += typed_store(handle, words + i, pass + i) != VMMC_OK;
      }
      elapsed += monotonic_ns() - begin;
      stores += kBurst;
      rig.nicsim.serve(1000);
      rig.packets.clear();
    }
  }
  rig.settle();
  CHECK(failures == 0);
  CHECK(arrived == stores * sizeof(std::uint64_t));
  CHECK(std::memcmp(rig.remote.data(), words, kPages * wire::kPageSize) == 0);
  return static_cast<double>(elapsed) / static_cast<double>(stores);
}

}  // namespace

TEST_CASE("what a typed store of 8 bytes costs") {
  const Watchdog watchdog;
  const auto say = [](const std::string& what, double ns) { MESSAGE(what << ": " << ns << " ns"); };
  constexpr int kTyped = VMMC_CAPTURE_TYPED;
  const std::uint64_t passes = rounds(100);
  say("combined", cost_of(kTyped, VMMC_COMBINE_BLOCK, 1, passes));
  say("combined, to trapped pages", cost_of(VMMC_CAPTURE_TRAP, VMMC_COMBINE_BLOCK, 1, passes));
  say("combined, with a timer", cost_of(kTyped, VMMC_COMBINE_TIMER, 1, passes));
  say("single", cost_of(kTyped, VMMC_COMBINE_SINGLE, 1, passes));
  say("every other word", cost_of(kTyped, VMMC_COMBINE_BLOCK, 2, passes));
  say("every other word, with a timer", cost_of(kTyped, VMMC_COMBINE_TIMER, 2, passes));
}
