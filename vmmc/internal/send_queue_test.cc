// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/send_queue.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <string.h>

#include <array>
#include <thread>
#include <vector>

#include "vmmc/internal/testing/local_nicsim.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr int kUnexported = static_cast<int>(wire::Status::kUnexported);
constexpr int kPeerDead = static_cast<int>(wire::Status::kPeerDead);

// A queue whose descriptors carry the status that they are to end with as their destination.
struct Rig {
  std::vector<std::uint64_t> carried;  // tickets, in the order of nicsim
  LocalNicsim nicsim{[this](std::uint64_t ticket, const vmmc::nicsim::DescriptorCopy& descriptor) {
    carried.push_back(ticket);
    return static_cast<wire::Status>(static_cast<std::int32_t>(descriptor.destination));
  }};
  Waiter waiter{nicsim.channel()};
  std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};

  std::uint64_t post(int status, bool reports_itself = false, std::uint64_t blocks = 0) {
    SendQueue::Slot slot;
    REQUIRE(queue.begin(slot) == VMMC_OK);
    slot.descriptor->destination = static_cast<std::uint32_t>(status);
    return queue.publish(
        slot,
        {.place = wire::LocalPlace::kStaged, .blocks = blocks, .reports_itself = reports_itself});
  }

  bool full() { return queue.posted() - nicsim.view().completed() == wire::kSendSlots; }
};

}  // namespace

TEST_CASE("a descriptor is published whole under its ticket") {
  Rig rig;
  SendQueue::Slot slot;
  REQUIRE(rig.queue.begin(slot) == VMMC_OK);
  CHECK(slot.ticket == 0);
  CHECK(slot.descriptor == &rig.nicsim.channel().send_queue[0]);
  CHECK_FALSE(rig.nicsim.view().ready());
  CHECK(rig.queue.publish(slot, {.place = wire::LocalPlace::kInline, .inline_length = 7}) == 0);
  CHECK(rig.nicsim.view().ready());
  vmmc::nicsim::DescriptorCopy copy;
  REQUIRE(rig.nicsim.view().take(copy));
  CHECK(copy.header ==
        wire::make_header(0, wire::LocalPlace::kInline, wire::Operation::kDeliberateUpdate, 0, 7));
  CHECK(rig.queue.posted() == 1);
}

TEST_CASE("an abandoned slot is used by the next descriptor") {
  Rig rig;
  SendQueue::Slot slot;
  REQUIRE(rig.queue.begin(slot) == VMMC_OK);
  rig.queue.abandon();
  CHECK(rig.queue.posted() == 0);
  CHECK(rig.post(VMMC_OK) == 0);
}

TEST_CASE("a ticket is pending, and then what nicsim says") {
  Rig rig;
  const std::uint64_t good = rig.post(VMMC_OK);
  const std::uint64_t bad = rig.post(kUnexported);
  CHECK(rig.queue.test(good) == VMMC_PENDING);
  rig.nicsim.serve(1);
  CHECK(rig.queue.test(good) == VMMC_OK);
  CHECK(rig.queue.test(bad) == VMMC_PENDING);
  rig.nicsim.serve(1);
  CHECK(rig.queue.test(bad) == VMMC_ERR_UNEXPORTED);
  CHECK(rig.queue.wait_completed(bad + 1) == VMMC_OK);
}

TEST_CASE("the last 1024 failures are found by ticket long after, older ones read as OK") {
  const Watchdog watchdog;
  Rig rig;
  constexpr std::uint64_t kFailures = FailureLog::kEntries + 300;
  std::vector<std::uint64_t> failed;
  for (std::uint64_t n = 0; failed.size() < kFailures; ++n) {
    const bool fails = n % 3 == 0;
    const std::uint64_t ticket = rig.post(fails ? (n % 2 == 0 ? kUnexported : kPeerDead) : VMMC_OK);
    REQUIRE(ticket == n);
    if (fails) failed.push_back(ticket);
    rig.nicsim.serve(1);
  }
  // All failures leave their slots.
  for (std::uint32_t i = 0; i < 2 * wire::kSendSlots; ++i) {
    rig.post(VMMC_OK);
    rig.nicsim.serve(1);
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < failed.size(); ++i) {
    const bool forgotten = failed.size() - i > FailureLog::kEntries;
    const int status = failed[i] % 2 == 0 ? kUnexported : kPeerDead;
    if (rig.queue.test(failed[i]) != (forgotten ? VMMC_OK : status)) ++wrong;
    if (rig.queue.test(failed[i] + 1) != VMMC_OK) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a failure is found while its slot is used again for the first time") {
  Rig rig;
  const std::uint64_t failed = rig.post(kUnexported);
  rig.nicsim.serve(1);
  for (std::uint32_t i = 1; i < wire::kSendSlots; ++i) rig.post(VMMC_OK);
  rig.nicsim.serve(wire::kSendSlots);
  CHECK(rig.queue.test(failed) == VMMC_ERR_UNEXPORTED);
  SendQueue::Slot slot;
  REQUIRE(rig.queue.begin(slot) == VMMC_OK);
  CHECK(slot.ticket == failed + wire::kSendSlots);
  CHECK(rig.queue.test(failed) == VMMC_ERR_UNEXPORTED);
  slot.descriptor->destination = 0;
  rig.queue.publish(slot, {.place = wire::LocalPlace::kStaged});
  CHECK(rig.queue.test(failed) == VMMC_ERR_UNEXPORTED);
  rig.nicsim.serve(1);  // the slot says OK now
  CHECK(rig.queue.test(failed) == VMMC_ERR_UNEXPORTED);
  CHECK(rig.queue.test(failed + wire::kSendSlots) == VMMC_OK);
}

TEST_CASE("256 pending descriptors fill the queue, and the next one waits for room") {
  const Watchdog watchdog;
  for (const auto strategy : {VMMC_WAIT_ADAPTIVE, VMMC_WAIT_YIELD, VMMC_WAIT_BLOCK}) {
    Rig rig;
    rig.strategy = strategy;
    for (std::uint32_t i = 0; i < wire::kSendSlots; ++i) rig.post(VMMC_OK);
    CHECK(rig.full());
    CHECK(rig.queue.full_waits() == 0);
    std::atomic<bool> posted{false};
    std::thread sender([&] {
      rig.post(VMMC_OK);
      posted = true;
    });
    while (rig.queue.full_waits() == 0) std::this_thread::yield();
    CHECK_FALSE(posted);
    CHECK(rig.queue.posted() == wire::kSendSlots);
    rig.nicsim.serve(1);
    sender.join();
    CHECK(rig.queue.posted() == wire::kSendSlots + 1);
    CHECK(rig.queue.full_waits() == 1);
    CHECK(rig.full());
  }
}

TEST_CASE("nobody waits for room while holding the queue") {
  const Watchdog watchdog;
  Rig rig;
  rig.strategy = VMMC_WAIT_BLOCK;
  for (std::uint32_t i = 0; i < wire::kSendSlots; ++i) rig.post(VMMC_OK);
  std::thread sender([&] { rig.post(VMMC_OK); });
  while (rig.queue.full_waits() == 0) std::this_thread::yield();
  CHECK(rig.queue.take_failure().status == VMMC_OK);  // takes the lock
  rig.nicsim.serve(wire::kSendSlots);
  sender.join();
}

TEST_CASE("an exhausted staging area waits until nicsim has read a piece, and goes on") {
  const Watchdog watchdog;
  Rig rig;
  for (int i = 0; i < 4; ++i) {
    StagingArea::Claim claim{};
    REQUIRE(rig.queue.claim_staging(StagingArea::kLargestClaim, claim) == VMMC_OK);
    rig.post(VMMC_OK, false, claim.blocks);
  }
  StagingArea::Claim last{};
  std::atomic<bool> claimed{false};
  std::thread sender([&] {
    REQUIRE(rig.queue.claim_staging(1, last) == VMMC_OK);
    claimed = true;
  });
  while (rig.queue.full_waits() == 0) std::this_thread::yield();
  CHECK_FALSE(claimed);
  rig.nicsim.serve(1);
  sender.join();
  CHECK(last.offset == 0);
  CHECK(last.blocks == 1);
  CHECK(rig.queue.full_waits() == 1);
}

TEST_CASE("blocks that another thread still fills are waited for without nicsim's help") {
  const Watchdog watchdog;
  Rig rig;
  std::array<StagingArea::Claim, 4> claims{};
  for (auto& claim : claims) {
    REQUIRE(rig.queue.claim_staging(StagingArea::kLargestClaim, claim) == VMMC_OK);
  }
  std::thread sender([&] {
    StagingArea::Claim claim{};
    REQUIRE(rig.queue.claim_staging(1, claim) == VMMC_OK);
  });
  while (rig.queue.full_waits() == 0) std::this_thread::yield();
  rig.queue.give_back_staging(claims[2]);
  sender.join();
}

TEST_CASE("the first failure that nobody was told of is reported once") {
  Rig rig;
  rig.post(VMMC_OK);
  rig.post(kPeerDead, true);  // its caller learns of it
  const std::uint64_t first = rig.post(kUnexported);
  rig.post(kPeerDead);
  rig.nicsim.serve(4);
  const SendQueue::Failure failure = rig.queue.take_failure();
  CHECK(failure.status == VMMC_ERR_UNEXPORTED);
  CHECK(failure.ticket == first);
  CHECK(static_cast<std::int32_t>(failure.destination) == kUnexported);
  CHECK(rig.queue.take_failure().status == VMMC_OK);
  rig.post(kPeerDead);
  rig.nicsim.serve(1);
  CHECK(rig.queue.take_failure().status == VMMC_ERR_PEER_DEAD);
}

TEST_CASE("a failure survives the reuse of its slot until it is taken") {
  Rig rig;
  for (std::uint32_t i = 0; i < 3 * wire::kSendSlots; ++i) {
    rig.post(i == 5 ? kUnexported : VMMC_OK);
    rig.nicsim.serve(1);
  }
  const SendQueue::Failure failure = rig.queue.take_failure();
  CHECK(failure.status == VMMC_ERR_UNEXPORTED);
  CHECK(failure.ticket == 5);
}

TEST_CASE("nicsim's end ends every wait for it") {
  const Watchdog watchdog;
  Rig rig;
  rig.strategy = VMMC_WAIT_BLOCK;
  for (int i = 0; i < 4; ++i) {
    StagingArea::Claim claim{};
    REQUIRE(rig.queue.claim_staging(StagingArea::kLargestClaim, claim) == VMMC_OK);
    rig.post(VMMC_OK, false, claim.blocks);
  }
  while (!rig.full()) rig.post(VMMC_OK);
  std::array<int, 4> status{};
  std::array<std::thread, 4> waiters{std::thread([&] {
                                       SendQueue::Slot slot;
                                       status[0] = rig.queue.begin(slot);
                                     }),
                                     std::thread([&] { status[1] = rig.queue.wait_completed(1); }),
                                     std::thread([&] {
                                       StagingArea::Claim claim{};
                                       status[2] = rig.queue.claim_staging(1, claim);
                                     }),
                                     std::thread([&] { status[3] = rig.queue.quiesce(); })};
  while (rig.queue.full_waits() < 2) std::this_thread::yield();
  rig.waiter.announce_end();
  for (auto& waiter : waiters) waiter.join();
  for (const int one : status) CHECK(one == VMMC_ERR_NICSIM_GONE);
}

TEST_CASE("quiesce waits for what was posted before, not for what comes after") {
  const Watchdog watchdog;
  Rig rig;
  rig.post(VMMC_OK);
  rig.nicsim.serve(1);
  CHECK(rig.queue.quiesce() == VMMC_OK);
  rig.post(VMMC_OK);
  std::atomic<bool> quiet{false};
  std::thread waiter([&] {
    CHECK(rig.queue.quiesce() == VMMC_OK);
    quiet = true;
  });
  CHECK_FALSE(quiet);
  rig.nicsim.serve(1);
  waiter.join();
}

TEST_CASE("only a nicsim that sleeps is rung for, and only once") {
  Rig rig;
  rig.post(VMMC_OK);
  CHECK(rig.queue.doorbells() == 0);
  rig.nicsim.serve(1);
  REQUIRE(rig.nicsim.view().park());
  errno = 4711;
  rig.post(VMMC_OK);
  CHECK(errno == 4711);
  rig.post(VMMC_OK);
  CHECK(rig.queue.doorbells() == 1);
  std::uint64_t rings = 0;
  REQUIRE(::read(rig.nicsim.doorbell(), &rings, sizeof rings) == sizeof rings);
  CHECK(rings == 1);
}

TEST_CASE("a nicsim that finds a descriptor does not park") {
  Rig rig;
  rig.post(VMMC_OK);
  CHECK_FALSE(rig.nicsim.view().park());
  CHECK(rig.nicsim.channel().doorbell.nic_sleeps == 0);
}

namespace {

// What a signal handler sees of the queue that its thread is working on.
struct Interruption {
  Rig* rig = nullptr;
  int begin = 0;
  int quiesce = 0;
  int staging = 0;
  int failure = 0;
  std::uint64_t posted = 0;
};
Interruption interruption;

void interrupt(int) {
  SendQueue::Slot slot;
  SendQueue& queue = interruption.rig->queue;
  interruption.begin = queue.begin(slot);
  if (interruption.begin == VMMC_OK) {
    slot.descriptor->destination = 0;
    queue.publish(slot, {.place = wire::LocalPlace::kStaged});
  }
  interruption.quiesce = queue.quiesce();
  interruption.failure = queue.take_failure().status;
  interruption.posted = queue.posted();
}

}  // namespace

TEST_CASE(
    "a handler that interrupted the holder of the queue is refused, any other one is served") {
  const Watchdog watchdog;
  Rig rig;
  interruption = {.rig = &rig};
  struct sigaction action {};
  action.sa_handler = interrupt;
  REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
  rig.post(kUnexported);
  rig.nicsim.serve(1);

  SendQueue::Slot slot;
  REQUIRE(rig.queue.begin(slot) == VMMC_OK);
  ::raise(SIGUSR1);
  CHECK(interruption.begin == VMMC_ERR_INTERRUPTED_SEND);
  CHECK(interruption.quiesce == VMMC_ERR_INTERRUPTED_SEND);
  CHECK(interruption.failure == VMMC_OK);  // left for the next call
  CHECK(interruption.posted == 1);
  slot.descriptor->destination = 0;
  CHECK(rig.queue.publish(slot, {.place = wire::LocalPlace::kStaged}) == 1);

  rig.nicsim.start(1);
  ::raise(SIGUSR1);
  CHECK(interruption.begin == VMMC_OK);
  CHECK(interruption.quiesce == VMMC_OK);
  CHECK(interruption.failure == VMMC_ERR_UNEXPORTED);
  CHECK(interruption.posted == 3);
  rig.nicsim.stop();
  CHECK(rig.carried == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("a handler on another thread waits for the holder instead") {
  const Watchdog watchdog;
  Rig rig;
  SendQueue::Slot slot;
  REQUIRE(rig.queue.begin(slot) == VMMC_OK);
  std::atomic<bool> asking{false};
  std::thread other([&] {
    asking = true;
    SendQueue::Slot second;
    REQUIRE(rig.queue.begin(second) == VMMC_OK);
    CHECK(second.ticket == 1);
    rig.queue.abandon();
  });
  while (!asking) std::this_thread::yield();
  rig.queue.publish(slot, {.place = wire::LocalPlace::kStaged});
  other.join();
}
