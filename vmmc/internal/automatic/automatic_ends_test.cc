// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ends of buffers, of nicsim, of room and of processes.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include "vmmc/internal/automatic/testing/bound_pages.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

TEST_CASE("a fence says once that the buffer has gone, whenever the stores came") {
  const Watchdog watchdog;
  for (const bool packet_before : {false, true}) {
    Bound bound(VMMC_CAPTURE_TYPED, VMMC_COMBINE_SINGLE);
    AutomaticRig& rig = bound.rig;
    const auto fence = [&] {
      rig.settle();
      return rig.queue.take_failure().status;
    };
    bound.store<std::uint32_t>(0, 1);
    CHECK(fence() == VMMC_OK);
    rig.verdict = wire::Status::kUnexported;
    if (packet_before) bound.store<std::uint32_t>(4, 2);  // nicsim comes to it too late
    rig.say(wire::ImportPhase::kUnexported);
    bound.store<std::uint32_t>(8, 3);
    bound.store<std::uint32_t>(12, 4);
    CHECK(fence() == VMMC_ERR_UNEXPORTED);
    CHECK(rig.refused == 1);
    bound.store<std::uint32_t>(16, 5);
    CHECK(fence() == VMMC_OK);
    CHECK(rig.refused == 1);
    CHECK(*bound.local.word<std::uint32_t>(16) == 5);
    CHECK(rig.update.unbind(bound.handle) == VMMC_OK);
  }
}

TEST_CASE("two bindings to one buffer report its end once") {
  const Watchdog watchdog;
  AutomaticRig rig;
  ProgramPages local(2);
  vmmc_binding* const a = rig.bind(local.at(), kPage, options_of(3, VMMC_COMBINE_SINGLE));
  vmmc_binding* const b = rig.bind(local.at(kPage), kPage, options_of(3, VMMC_COMBINE_SINGLE));
  rig.verdict = wire::Status::kPeerDead;
  rig.say(wire::ImportPhase::kPeerDead);
  CHECK(typed_store(a, local.word<std::uint32_t>(0), 1u) == VMMC_OK);
  CHECK(typed_store(b, local.word<std::uint32_t>(kPage), 1u) == VMMC_OK);
  rig.settle();
  CHECK(rig.refused == 1);
}

TEST_CASE("stores go on, locally, when nicsim has ended") {
  const Watchdog watchdog;
  for (const int capture : kCaptures) {
    Bound bound(capture, VMMC_COMBINE_SINGLE);
    bound.rig.waiter.announce_end();
    for (std::uint32_t i = 0; i < 1000; ++i) bound.store<std::uint32_t>(8, i);
    CHECK(bound.rig.update.flush() == VMMC_OK);
    CHECK(*bound.local.word<std::uint32_t>(8) == 999);
    CHECK(bound.rig.update.unbind(bound.handle) == VMMC_OK);
    CHECK(bound.rig.packets.empty());
  }
}

TEST_CASE("stores wait for room in a full queue, and are not lost") {
  const Watchdog watchdog;
  for (const int capture : kCaptures) {
    Bound bound(capture, VMMC_COMBINE_SINGLE);
    for (std::uint32_t i = 0; i < wire::kSendSlots; ++i) bound.store<std::uint32_t>(8, i);
    bound.rig.nicsim.start(choose_seed());
    const std::vector<std::byte> page(kPage, std::byte{1});
    for (std::uint32_t i = 0; i < 2000; ++i) {
      bound.store<std::uint32_t>(8, wire::kSendSlots + i);
      if (i % 20 != 0) continue;
      CHECK(typed_copy(bound.handle, bound.local.at(kPage), page.data(), kPage) == VMMC_OK);
    }
    bound.rig.update.flush();
    bound.rig.nicsim.stop();
    std::uint32_t expected = 0;
    for (const SeenPacket& packet : bound.rig.packets) {
      if (packet.bytes.size() != 4) continue;
      std::uint32_t value;
      std::memcpy(&value, packet.bytes.data(), 4);
      REQUIRE(value == expected++);
    }
    CHECK(expected == wire::kSendSlots + 2000);
    CHECK(bound.same());
    CHECK(bound.rig.malformed == 0);
  }
}

TEST_CASE("a forked child has private, writable pages and binds nothing") {
  const Watchdog watchdog;
  Bound bound(VMMC_CAPTURE_TRAP, VMMC_COMBINE_TIMER);
  bound.store<std::uint32_t>(0, 1);
  bound.rig.update.before_fork();
  bound.rig.segments.before_fork();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    bound.rig.update.abandon_in_child();
    bound.rig.segments.make_private_after_fork();
    *bound.local.word<std::uint32_t>(0) = 2;
    const int stored = typed_store(bound.handle, bound.local.word<std::uint32_t>(0), 5u);
    const bool refused = stored == VMMC_ERR_BAD_HANDLE && *bound.local.word<std::uint32_t>(0) == 2;
    ::_exit(bound.rig.capture.abandoned == 1 && refused ? 0 : 1);
  }
  bound.rig.segments.after_fork_in_parent();
  bound.rig.update.after_fork_in_parent();
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(*bound.local.word<std::uint32_t>(0) == 1);
  bound.store<std::uint32_t>(4, 3);
  bound.rig.settle();
  CHECK(bound.same());
}

TEST_CASE("everything ends with the object") {
  const Watchdog watchdog;
  ProgramPages local(2);
  {
    AutomaticRig rig;
    rig.bind(local.at(), kPage, options_of(1, VMMC_COMBINE_TIMER));
    rig.bind(local.at(kPage), kPage, options_of(3, VMMC_COMBINE_BLOCK));
    rig.capture.store(local.word<std::uint32_t>(0), 5u);
    rig.update.release_all();
    CHECK(rig.capture.watched() == 0);
    CHECK(rig.settle().size() == 1);
  }
  *local.word<std::uint32_t>(0) += 1;
  CHECK(*local.word<std::uint32_t>(0) == 6);
}
