// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/parked_threads.h"

#include <doctest/doctest.h>

#include <memory>

#include "nicsim/testing/fake_client.h"

namespace vmmc::nicsim::simulated {
namespace {

using wire::ContextState;

// The client's half of one process, whose contexts are written by hand.
struct Fixture : testing::MachineFixture {
  testing::FakeClient client{machine, 0};
  ParkedThreads threads{client.channel(), 0, 300};

  wire::TimeContext& context(std::uint32_t number) {
    return client.channel().time_contexts[number];
  }
  void set(std::uint32_t number, ContextState state) {
    context(number).state.store(static_cast<std::uint32_t>(state));
  }
  bool runs(std::uint32_t number) {
    return context(number).state.load() == static_cast<std::uint32_t>(ContextState::kRunning);
  }
  void park(std::uint32_t number, std::uint64_t wait, std::uint32_t reasons = 0) {
    context(number).wait = wait;
    context(number).reasons = reasons;
    ++context(number).parks;
    set(number, ContextState::kParked);
  }
  void watch(std::uint32_t number, std::uint32_t segment, std::uint64_t offset) {
    context(number).watch_segment = segment;
    context(number).watch_offset = offset;
    park(number, wire::kNoEnd, wire::kWakeOnWatch);
  }
  // All that nicsim does at one time with threads that are parked.
  Time settle(Time clock) {
    threads.look();
    return threads.settle(clock);
  }
};

TEST_CASE_FIXTURE(Fixture, "free contexts take no part") {
  CHECK(threads.look() == 0);
  CHECK(settle(5) == parts::kNever);
  CHECK_FALSE(threads.ready(parts::kNever - 1));
  CHECK_FALSE(threads.resume_one(5));
}

TEST_CASE_FIXTURE(Fixture, "a thread runs until it parks, and again when its wait is over") {
  set(0, ContextState::kRunning);
  set(3, ContextState::kRunning);
  CHECK(threads.look() == 2);
  park(0, 100);
  CHECK(threads.look() == 1);
  set(3, ContextState::kFree);
  CHECK(threads.look() == 0);
  CHECK_FALSE(threads.ready(1000));  // not settled: what it asked for may not have begun
  CHECK(settle(40) == 140);
  CHECK_FALSE(threads.ready(139));
  CHECK_FALSE(threads.resume_one(139));
  CHECK_FALSE(runs(0));
  CHECK(threads.ready(140));
  CHECK(threads.resume_one(140));
  CHECK(runs(0));
  CHECK(context(0).clock == 140);
  CHECK(context(0).left == 0);
  CHECK(threads.look() == 1);
  CHECK(threads.next_due() == parts::kNever);
}

TEST_CASE_FIXTURE(Fixture, "what happens rouses those who wait for it") {
  park(0, wire::kNoEnd, wire::kWakeOnCompletion);
  park(1, 500, wire::kWakeOnArrival | wire::kWakeOnCompletion);
  park(2, 700);
  CHECK(settle(0) == 500);
  threads.happened(wire::kWakeOnNotification);
  CHECK_FALSE(threads.ready(0));
  threads.happened(wire::kWakeOnArrival);
  CHECK(threads.resume_one(10));
  CHECK(runs(1));
  CHECK(context(1).left == 490);
  CHECK_FALSE(threads.resume_one(10));
  threads.happened(wire::kWakeOnCompletion);
  CHECK(threads.resume_one(20));
  CHECK(runs(0));
  CHECK(context(0).left == wire::kNoEnd);
  CHECK(threads.next_due() == 700);
}

TEST_CASE_FIXTURE(Fixture, "what happens before the wait counts is not forgotten") {
  park(0, wire::kNoEnd, wire::kWakeOnArrival);
  threads.look();
  threads.happened(wire::kWakeOnArrival);
  CHECK_FALSE(threads.ready(0));
  threads.settle(10);
  CHECK(threads.ready(10));
}

TEST_CASE_FIXTURE(Fixture, "threads go on by number, those that wait for notifications first") {
  park(1, 10);
  park(4, 10, wire::kWakeOnNotification);
  park(7, 10);
  settle(0);
  for (const std::uint32_t expected : {4, 1, 7}) {
    CHECK(threads.resume_one(10));
    CHECK(runs(expected));
  }
  CHECK_FALSE(threads.resume_one(10));
}

TEST_CASE_FIXTURE(Fixture, "a thread that computes loses what others use of the processor") {
  park(0, 1000, wire::kComputes);
  CHECK(settle(100) == 1100);
  threads.delay(50);  // an interrupt
  CHECK(threads.next_due() == 1150);
  park(1, wire::kNoEnd, wire::kWakeOnNotification);
  CHECK(settle(100) == 1150);
  threads.happened(wire::kWakeOnNotification);
  CHECK(threads.resume_one(200));
  CHECK(runs(1));
  park(1, wire::kNoEnd, wire::kWakeOnNotification);
  CHECK(settle(230) == 1180);  // it has used 30
  threads.happened(wire::kWakeOnNotification);
  CHECK(threads.resume_one(300));
  park(1, 40, wire::kComputes);
  CHECK(settle(300) == 340);
  CHECK(threads.resume_one(340));
  CHECK(threads.next_due() == 1220);
}

TEST_CASE_FIXTURE(Fixture, "a thread that comes late has not used the processor before") {
  park(0, 1000, wire::kComputes);
  settle(0);
  park(5, wire::kNoEnd, wire::kWakeOnNotification);
  settle(0);
  threads.happened(wire::kWakeOnNotification);
  CHECK(threads.resume_one(600));
  set(9, ContextState::kRunning);  // claimed by another one that it has started
  park(5, wire::kNoEnd);
  CHECK(threads.look() == 1);
  park(9, wire::kNoEnd);
  CHECK(settle(610) == 1010);
}

TEST_CASE_FIXTURE(Fixture, "the time of a request's answer is not the processor's") {
  park(0, 1000, wire::kComputes);
  settle(0);
  threads.went_on(400);
  park(1, wire::kNoEnd);
  CHECK(settle(410) == 1010);
}

TEST_CASE_FIXTURE(Fixture, "a watched word is the word itself and what lies in its line") {
  watch(0, client.segment, 256);
  settle(0);
  std::byte* const memory = client.process->segments.at(client.segment)->data();
  threads.arrived(*client.process, {memory + 256 + wire::kWatchedBytes, 8});
  threads.arrived(*client.process, {memory + 248, 8});
  CHECK_FALSE(threads.ready(0));
  threads.arrived(*client.process, {memory + 250, 8});
  CHECK(threads.ready(0));
}

TEST_CASE_FIXTURE(Fixture, "a watched word outside of all memory is never written") {
  watch(0, client.segment + 1, 0);
  watch(1, client.segment, UINT64_MAX);
  watch(2, client.segment, std::uint64_t{16} * wire::kPageSize);
  settle(0);
  std::byte* const memory = client.process->segments.at(client.segment)->data();
  threads.arrived(*client.process, {memory, std::size_t{16} * wire::kPageSize});
  CHECK_FALSE(threads.ready(0));
}

TEST_CASE_FIXTURE(Fixture, "what changes while it is parked is not believed") {
  park(0, 100);
  settle(0);
  context(0).wait = 1;
  context(0).reasons = wire::kWakeOnArrival;
  CHECK(settle(0) == 100);
  threads.happened(wire::kWakeOnArrival);
  CHECK_FALSE(threads.ready(99));
}

TEST_CASE_FIXTURE(Fixture,
                  "a thread that another one has let go on and that parks again parks anew") {
  park(0, 100);
  settle(0);
  park(0, 300);
  CHECK(settle(50) == 350);
}

TEST_CASE_FIXTURE(Fixture, "a thread that goes on by itself is not started twice") {
  park(0, 100);
  settle(0);
  set(0, ContextState::kFree);
  CHECK(threads.resume_one(100));  // nicsim finds out when it looks
  CHECK(context(0).state.load() == static_cast<std::uint32_t>(ContextState::kFree));
  CHECK(threads.look() == 0);
}

TEST_CASE_FIXTURE(Fixture, "who is outside comes back when it is let, and by nothing else") {
  park(0, wire::kNoEnd, wire::kIsOutside);
  CHECK(settle(5) == parts::kNever);
  threads.happened(wire::kWakeOnArrival | wire::kWakeOnCompletion | wire::kWakeOnNotification);
  CHECK_FALSE(threads.ready(1000));
  CHECK_FALSE(threads.somebody_comes_back());
  CHECK_FALSE(threads.let_come_back());
  context(0).woken.store(1);
  CHECK(threads.somebody_woken());
  settle(7);
  CHECK(threads.somebody_comes_back());
  CHECK_FALSE(threads.ready(1000));
  CHECK(threads.let_come_back());
  CHECK_FALSE(threads.somebody_comes_back());
  CHECK(threads.resume_one(9));
  CHECK(runs(0));
  CHECK(context(0).clock == 9);
  CHECK_FALSE(threads.let_come_back());
}

TEST_CASE_FIXTURE(Fixture, "absurd waits have no end") {
  park(0, wire::kNoEnd - 1);
  park(1, wire::kNoEnd / 2, wire::kComputes);
  park(2, std::uint64_t{1} << 62);
  CHECK(settle(Time{1} << 61) == parts::kNever);
  threads.delay(wire::kNoEnd);
  CHECK_FALSE(threads.ready(parts::kNever - 1));
}

TEST_CASE_FIXTURE(Fixture, "who only looks at the clock has to wait for it at last") {
  Time clock = 1000;
  for (int round = 0; round < 3; ++round) {
    for (int look = 0; look < 8; ++look) {
      park(0, 0);
      CHECK(settle(clock) == clock);
      CHECK(threads.resume_one(clock));
    }
    park(0, 0);
    CHECK(settle(clock) == clock + 300);
    clock += 300;
    CHECK(threads.resume_one(clock));
  }
}

TEST_CASE_FIXTURE(Fixture, "absurd states are those of threads that take no part") {
  for (const std::uint32_t state : {3u, 17u, UINT32_MAX}) {
    context(0).state.store(state);
    CHECK(threads.look() == 0);
    CHECK(threads.settle(0) == parts::kNever);
  }
}

}  // namespace
}  // namespace vmmc::nicsim::simulated
