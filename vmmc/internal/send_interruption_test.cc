// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A signal handler that sends, after each single instruction of a send of its thread in turn.

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/send_rig.h"
#include "vmmc/internal/testing/single_step.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

#if defined(VMMC_SINGLE_STEP)

namespace {

constexpr std::uint64_t kOuter = 0;        // where the interrupted call sends to ...
constexpr std::uint64_t kInner = 300'000;  // ... and where the handler does

// The bytes of the n-th round.
std::vector<std::byte> content(std::size_t length, std::uint64_t round) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i)
    bytes[i] = static_cast<std::byte>((round >> (i % 4 * 8)) + i);
  return bytes;
}

struct Interruption {
  SendRig* rig = nullptr;
  std::uint64_t at = 0;  // the instruction after which the handler runs
  std::vector<std::byte> bytes = {};
  int status = 0;
  bool happened = false;
};
Interruption interruption;

bool send_between(std::uint64_t instruction) {
  if (instruction != interruption.at) return false;
  interruption.happened = true;
  interruption.status = interruption.rig->update.send(
      interruption.bytes.data(), interruption.rig->proxy(kInner), interruption.bytes.size());
  return true;
}

bool fence_between(std::uint64_t instruction) {
  if (instruction != interruption.at) return false;
  interruption.happened = true;
  interruption.status = interruption.rig->completion.fence();
  return true;
}

bool arrived(const SendRig& rig, std::uint64_t offset, const std::vector<std::byte>& bytes) {
  return std::equal(bytes.begin(), bytes.end(),
                    rig.remote.begin() + static_cast<std::ptrdiff_t>(offset));
}

struct Tally {
  std::uint64_t instructions = 0;  // after which the handler ran
  std::uint64_t refused = 0;       // and was refused
  std::uint64_t wrong = 0;
};

// One call, interrupted; then nicsim carries out what has been posted.
template <typename Call>
void interrupt_once(SendRig& rig, std::size_t outer, bool nicsim_sleeps, Call call, Tally& tally) {
  const auto bytes = content(outer, interruption.at);
  const std::uint64_t rings = rig.queue.doorbells();
  if (nicsim_sleeps) rig.nicsim.view().park();
  int status = 0;
  SingleStep::run([&] { status = call(bytes); }, send_between);
  if (rig.queue.doorbells() != rings + (nicsim_sleeps ? 1 : 0)) ++tally.wrong;
  rig.nicsim.serve(16);
  if (status != VMMC_OK || rig.completion.fence() != VMMC_OK) ++tally.wrong;
  if (!arrived(rig, kOuter, bytes)) ++tally.wrong;
  if (!interruption.happened) return;
  ++tally.instructions;
  const bool refused = interruption.status == VMMC_ERR_INTERRUPTED_SEND;
  if (refused) ++tally.refused;
  if (!refused && interruption.status != VMMC_OK) ++tally.wrong;
  if (arrived(rig, kInner, interruption.bytes) == refused) ++tally.wrong;
}

// Interrupts call(bytes) after its 1st, 2nd, ... instruction, until it is over before that.
template <typename Call>
Tally interrupt_everywhere(SendRig& rig, std::size_t outer, std::size_t inner, bool nicsim_sleeps,
                           Call call) {
  Tally tally;
  interruption = {.rig = &rig, .happened = true};
  while (interruption.happened) {
    interruption.happened = false;
    interruption.bytes = content(inner, interruption.at + 1);
    interrupt_once(rig, outer, nicsim_sleeps, call, tally);
    ++interruption.at;
  }
  return tally;
}

void check_sends(std::size_t outer, std::size_t inner, bool nicsim_sleeps) {
  SendRig rig;
  const Tally tally = interrupt_everywhere(
      rig, outer, inner, nicsim_sleeps, [&](const std::vector<std::byte>& bytes) {
        return rig.update.send(bytes.data(), rig.proxy(kOuter), bytes.size());
      });
  MESSAGE(outer << " bytes interrupted by " << inner << ": after each of " << tally.instructions
                << " instructions, refused after " << tally.refused);
  CHECK(tally.wrong == 0);
  CHECK(tally.refused > 0);
  CHECK(tally.refused < tally.instructions / 2);
  CHECK(rig.malformed == 0);
}

}  // namespace

TEST_CASE("a handler may send after any instruction of a send, or is refused in a few of them") {
  const Watchdog watchdog;
  check_sends(8, 8, false);
  check_sends(100, 100, false);
}

TEST_CASE("one of the two rings for a nicsim that sleeps, whenever the handler comes") {
  const Watchdog watchdog;
  check_sends(8, 8, true);
}

TEST_CASE("a handler may send after any instruction of a started send in place") {
  const Watchdog watchdog;
  SendRig rig;
  vmmc_send_handle handle = 0;
  const Tally tally =
      interrupt_everywhere(rig, 70'000, 100, false, [&](const std::vector<std::byte>& bytes) {
        return rig.update.start(bytes.data(), rig.proxy(kOuter), bytes.size(), &handle);
      });
  CHECK(tally.wrong == 0);
  CHECK(rig.completion.wait(handle) == VMMC_OK);
}

TEST_CASE("a failure that an interrupted fence was about to report is reported once") {
  const Watchdog watchdog;
  const std::byte source[8]{};
  SendRig rig;
  rig.verdict = wire::Status::kUnexported;
  interruption = {.rig = &rig, .happened = true};
  while (interruption.happened) {
    REQUIRE(rig.update.send(source, rig.proxy(), 8) == VMMC_OK);
    rig.nicsim.serve(1);
    interruption.happened = false;
    interruption.status = VMMC_OK;
    int status = 0;
    SingleStep::run([&] { status = rig.completion.fence(); }, fence_between);
    REQUIRE(rig.completion.fence() == VMMC_OK);
    REQUIRE((status == VMMC_OK || status == VMMC_ERR_UNEXPORTED));
    REQUIRE((interruption.status == VMMC_OK || interruption.status == VMMC_ERR_UNEXPORTED));
    REQUIRE((status == VMMC_OK) != (interruption.status == VMMC_OK));
    interruption.at += interruption.at < 300 ? 1 : 97;  // to write the sentence takes thousands
  }
}

#endif
