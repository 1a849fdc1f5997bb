// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// What the send queue tells nicsim while it records.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/testing/local_nicsim.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

bool is_mark(const vmmc::nicsim::DescriptorCopy& descriptor) {
  return wire::header_operation(descriptor.header) ==
         static_cast<std::uint8_t>(wire::Operation::kMark);
}

struct Rig {
  std::vector<vmmc::nicsim::DescriptorCopy> carried;
  LocalNicsim nicsim{[this](std::uint64_t, const vmmc::nicsim::DescriptorCopy& descriptor) {
    carried.push_back(descriptor);
    return wire::Status::kOk;
  }};
  Waiter waiter{nicsim.channel()};
  std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};

  Rig() { ::alarm(60); }
  ~Rig() { ::alarm(0); }
  std::uint64_t send() {
    SendQueue::Slot slot;
    REQUIRE(queue.begin(slot) == VMMC_OK);
    return queue.publish(slot, {.place = wire::LocalPlace::kInline, .inline_length = 4});
  }
  std::uint64_t under_way() { return queue.posted() - nicsim.view().completed(); }
};

}  // namespace

TEST_CASE("unrecorded, nothing but the operations is posted") {
  Rig rig;
  CHECK_FALSE(rig.queue.marks());
  for (int i = 0; i < 40; ++i) rig.send();
  CHECK(rig.queue.marked(wire::make_mark(wire::MarkKind::kWaitForWord),
                         [] { return VMMC_ERR_TIMEOUT; }) == VMMC_ERR_TIMEOUT);
  CHECK(rig.queue.posted() == 40);
  CHECK(rig.queue.marks_posted() == 0);
}

TEST_CASE("the work that led to an operation stands right before it") {
  Rig rig;
  rig.queue.start_marking();
  rig.queue.meter().declare(1'000'000);
  CHECK(rig.send() == 1);
  rig.nicsim.serve(10);
  REQUIRE(rig.carried.size() == 2);
  const wire::MarkOperands& mark = rig.carried[0].mark;
  REQUIRE(is_mark(rig.carried[0]));
  CHECK(mark.kind == wire::MarkKind::kWork);
  CHECK(mark.thread == 1);
  CHECK(mark.work >= 1'000'000);
  CHECK(mark.value == 0);
  CHECK_FALSE(is_mark(rig.carried[1]));
  CHECK(rig.queue.marks_posted() == 1);
}

TEST_CASE("a wait is told of when it has ended, and how") {
  Rig rig;
  rig.queue.start_marking();
  auto mark = wire::make_mark(wire::MarkKind::kWaitForWord, 16);
  mark.value = 7;
  CHECK(rig.queue.marked(mark, [] {
    ::usleep(2000);
    return VMMC_ERR_TIMEOUT;
  }) == VMMC_ERR_TIMEOUT);
  CHECK(rig.queue.marked(mark, [] { return VMMC_OK; }) == VMMC_OK);
  rig.nicsim.serve(10);
  REQUIRE(rig.carried.size() == 2);
  CHECK(rig.carried[0].mark.timed_out == 1);
  CHECK(rig.carried[0].mark.waited >= 2000);
  CHECK(rig.carried[0].mark.place == 16);
  CHECK(rig.carried[0].mark.value == 7);
  CHECK(rig.carried[1].mark.timed_out == 0);
}

TEST_CASE("marks leave half of the queue to the program, and their work comes later") {
  Rig rig;
  rig.queue.start_marking();
  while (rig.under_way() < wire::kSendSlots) rig.send();
  const std::uint64_t marks = rig.queue.marks_posted();
  CHECK(marks <= wire::kSendSlots / 4 + 1);
  CHECK(marks >= wire::kSendSlots / 8);
  rig.queue.meter().declare(5'000'000);
  rig.nicsim.serve(1);
  rig.send();  // no room for a mark beside it
  CHECK(rig.queue.marks_posted() == marks);
  rig.nicsim.serve(1000);
  rig.send();
  rig.nicsim.serve(1000);
  const auto& last_mark = rig.carried[rig.carried.size() - 2];
  REQUIRE(is_mark(last_mark));
  CHECK(last_mark.mark.work >= 5'000'000);
}

TEST_CASE("a mark does not wait for room: it is lost, and the next one says so") {
  Rig rig;
  rig.queue.start_marking();
  while (rig.under_way() < wire::kSendSlots) rig.send();
  rig.queue.post_mark(wire::make_mark(wire::MarkKind::kHandlerBegins));
  rig.queue.post_mark(wire::make_mark(wire::MarkKind::kHandlerEnds));
  rig.nicsim.serve(1000);
  rig.send();
  rig.send();
  rig.nicsim.serve(1000);
  const std::size_t count = rig.carried.size();
  CHECK(rig.carried[count - 4].mark.kind == wire::MarkKind::kWork);
  CHECK(rig.carried[count - 4].mark.value == 2);
  CHECK(rig.carried[count - 2].mark.value == 0);
}
