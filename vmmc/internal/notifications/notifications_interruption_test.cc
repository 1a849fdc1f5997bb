// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The delivering signal after each single instruction of a call of its thread in turn.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "vmmc/internal/notifications/testing/notification_rig.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/single_step.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

#if defined(VMMC_SINGLE_STEP)

namespace {

// A trap costs some microseconds, and the n-th instruction n traps.
constexpr std::uint64_t kEach = 500;
constexpr std::uint64_t kStride = 7;

// A notification arrives, and its signal is taken, after one instruction of a call.
struct Interruption {
  NotificationRig* rig = nullptr;
  std::uint64_t cookie = 0;
  std::uint64_t at = 0;
  bool happened = false;
  std::uint32_t produced = 0;
};
Interruption interruption;

// In the trap's handler: the signal is raised by the write to the pipe and comes at once.
bool arrive_between(std::uint64_t instruction) {
  if (instruction != interruption.at) return false;
  interruption.happened = true;
  interruption.rig->nicsim.produce(interruption.cookie, interruption.produced++);
  return true;
}

struct Setting {
  NotificationRig rig{VMMC_DELIVER_BY_SIGNAL};
  Recorder recorder{1, 1 << 16};
  std::uint64_t cookie = rig.add(recorder);
  std::uint64_t taken = 0;  // by waits

  void produce() { rig.nicsim.produce(cookie, interruption.produced++); }
  bool complete() const { return recorder.calls() + taken == interruption.produced; }
};

// call() with an arrival after its 1st, 2nd, ... instruction, until it is over before that. After
// each, everything that arrived must have been delivered, once and in order.
template <typename Before, typename Call>
void interrupt_everywhere(const std::string& what, Setting& setting, Before before, Call call) {
  interruption = {.rig = &setting.rig, .cookie = setting.cookie, .happened = true};
  std::uint64_t wrong = 0;
  while (interruption.happened) {
    interruption.happened = false;
    before();
    SingleStep::run(call, arrive_between);
    if (!setting.complete()) ++wrong;
    // The next one still raises the signal.
    setting.produce();
    if (!setting.complete()) ++wrong;
    interruption.at += interruption.at < kEach ? 1 : kStride;
  }
  MESSAGE(what << ": after each of " << std::min(interruption.at, kEach)
               << " instructions, of those up to " << interruption.at << " after one in "
               << kStride);
  CHECK(wrong == 0);
  CHECK(Recorder::nested() == 0);
  CHECK(interruption.at > 20);
  if (setting.taken > 0) return;
  std::uint64_t overtaken = 0;
  for (std::uint32_t i = 0; i < interruption.produced; ++i)
    overtaken += setting.recorder.seen(i) != i;
  CHECK(overtaken == 0);
}

}  // namespace

TEST_CASE("block and unblock may be interrupted after any instruction") {
  const Watchdog watchdog;
  Setting setting;
  interrupt_everywhere(
      "block, unblock", setting, [] {},
      [&] {
        setting.rig.notifications.block();
        setting.rig.notifications.unblock();
      });
}

TEST_CASE("unblock that delivers what is queued may be interrupted after any instruction") {
  const Watchdog watchdog;
  Setting setting;
  interrupt_everywhere(
      "unblock of one", setting,
      [&] {
        setting.rig.notifications.block();
        setting.produce();
      },
      [&] { setting.rig.notifications.unblock(); });
}

TEST_CASE("a handler that blocks and unblocks, interrupted by the next signal, never nests") {
  const Watchdog watchdog;
  Setting setting;
  setting.recorder.run_inside(
      [](void* argument, const vmmc_notification*) {
        auto& notifications = *static_cast<Notifications*>(argument);
        notifications.block();
        notifications.unblock();
        notifications.unblock();  // refused
      },
      &setting.rig.notifications);
  interrupt_everywhere(
      "unblock with such a handler", setting,
      [&] {
        setting.rig.notifications.block();
        setting.produce();
      },
      [&] { setting.rig.notifications.unblock(); });
}

TEST_CASE("a wait that finds nothing may be interrupted after any instruction") {
  const Watchdog watchdog;
  Setting setting;
  interrupt_everywhere(
      "wait", setting, [] {},
      [&] {
        if (setting.rig.notifications.wait(setting.cookie, 0, nullptr) == VMMC_OK) ++setting.taken;
      });
}

TEST_CASE("a wait that takes one of two may be interrupted after any instruction") {
  const Watchdog watchdog;
  Setting setting;
  interrupt_everywhere(
      "wait for one of two", setting,
      [&] {
        setting.rig.notifications.block();
        setting.produce();
        setting.produce();
      },
      [&] {
        if (setting.rig.notifications.wait(setting.cookie, 0, nullptr) == VMMC_OK) ++setting.taken;
        setting.rig.notifications.unblock();
      });
}

TEST_CASE("adding and removing another handler may be interrupted after any instruction") {
  const Watchdog watchdog;
  Setting setting;
  Recorder other(2);
  interrupt_everywhere(
      "add, remove", setting, [] {},
      [&] {
        const std::uint64_t cookie = setting.rig.add(other);
        setting.rig.notifications.remove_handler(cookie);
      });
  CHECK(other.calls() == 0);
}

#endif
