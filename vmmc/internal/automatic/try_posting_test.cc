// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The send queue's calls that do not wait, and the wait that belongs to them.

#include <doctest/doctest.h>

#include <thread>

#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/testing/local_nicsim.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

struct Rig {
  LocalNicsim nicsim{
      [](std::uint64_t, const vmmc::nicsim::DescriptorCopy&) { return wire::Status::kOk; }};
  Waiter waiter{nicsim.channel()};
  std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};

  int post() {
    SendQueue::Slot slot;
    const int status = queue.try_begin(slot);
    if (status == VMMC_OK) queue.publish(slot, {.place = wire::LocalPlace::kInline});
    return status;
  }
  int post_staged(std::uint32_t bytes) {
    StagingArea::Claim claim;
    if (const int status = queue.try_claim_staging(bytes, claim); status != VMMC_OK) return status;
    SendQueue::Slot slot;
    const int status = queue.try_begin(slot);
    if (status == VMMC_OK) {
      queue.publish(slot, {.place = wire::LocalPlace::kStaged, .blocks = claim.blocks});
    }
    return status;
  }
  // What `call` returns in another thread.
  template <typename Call>
  int elsewhere(Call call) {
    int status = 0;
    std::thread([&] { status = call(); }).join();
    return status;
  }
};

}  // namespace

TEST_CASE("posts until the queue is full, and again when there is room") {
  const Watchdog watchdog;
  Rig rig;
  for (std::uint32_t i = 0; i < wire::kSendSlots; ++i) REQUIRE(rig.post() == VMMC_OK);
  CHECK(rig.post() == VMMC_PENDING);
  rig.nicsim.serve(1);
  CHECK(rig.post() == VMMC_OK);
  CHECK(rig.post() == VMMC_PENDING);
}

TEST_CASE("claims until the staging area is full, and again when there is room") {
  const Watchdog watchdog;
  Rig rig;
  for (int i = 0; i < 4; ++i) REQUIRE(rig.post_staged(StagingArea::kLargestClaim) == VMMC_OK);
  CHECK(rig.post_staged(1) == VMMC_PENDING);
  rig.nicsim.serve(1);
  CHECK(rig.post_staged(1) == VMMC_OK);
}

TEST_CASE("waits for nobody who holds the queue") {
  const Watchdog watchdog;
  Rig rig;
  for (int i = 0; i < 4; ++i) REQUIRE(rig.post_staged(StagingArea::kLargestClaim) == VMMC_OK);
  SendQueue::Slot slot;
  REQUIRE(rig.queue.begin(slot) == VMMC_OK);
  CHECK(rig.queue.held());
  CHECK(rig.post() == VMMC_ERR_INTERRUPTED_SEND);
  CHECK(rig.post_staged(1) == VMMC_ERR_INTERRUPTED_SEND);
  CHECK(rig.elsewhere([&] { return rig.post(); }) == VMMC_PENDING);
  CHECK(rig.elsewhere([&] { return rig.post_staged(1); }) == VMMC_PENDING);
  CHECK(rig.elsewhere([&] { return int{rig.queue.held()}; }) == 0);
  rig.queue.abandon();
  CHECK(!rig.queue.held());
  CHECK(rig.post() == VMMC_OK);
}

TEST_CASE("the wait for room ends when nicsim has completed something, or has nothing to do") {
  const Watchdog watchdog;
  Rig rig;
  CHECK(rig.queue.wait_for_room() == VMMC_PENDING);
  for (std::uint32_t i = 0; i < wire::kSendSlots; ++i) REQUIRE(rig.post() == VMMC_OK);
  std::thread nicsim([&] {
    ::usleep(20'000);
    rig.nicsim.serve(1);
  });
  CHECK(rig.queue.wait_for_room() == VMMC_OK);
  CHECK(rig.post() == VMMC_OK);
  nicsim.join();
  rig.waiter.announce_end();
  CHECK(rig.queue.wait_for_room() == VMMC_ERR_NICSIM_GONE);
}
