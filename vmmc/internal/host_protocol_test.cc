// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The protocols of the host executor as models, all interleavings. A fence that the kernel issues for
// others (membarrier) is a step of the thread that asks for it, which cannot be taken while a store of
// the other thread waits.
//
//   the model                what it stands for
//   sleeper                  Waiter::sleep_by_bell and the loop around it
//   sender                   host_executor::try_store, ring
//   owner_stores             host_executor::try_store of the thread that owns the record
//   closer                   HostExecutor::close, and the end of the mapping
//   second_comes             HostExecutor::share
//   poster                   SendQueue::publish with keep_in_order, and then a send of the same thread

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "vmmc/internal/testing/memory_model.h"

using namespace vmmc::internal::testing;

namespace {

using namespace steps;

constexpr Memory kAll[] = {Memory::kSequential, Memory::kTotalStoreOrder,
                           Memory::kPartialStoreOrder};
constexpr Memory kDelaying[] = {Memory::kTotalStoreOrder, Memory::kPartialStoreOrder};

void append(Program& program, const Program& more) {
  program.insert(program.end(), more.begin(), more.end());
}

Exploration explore(Memory memory, std::vector<Program> programs) {
  Exploration result = Explorer(memory, std::move(programs)).explore();
  const std::string verdict = result.stuck ? "; stuck: " : result.wrong ? "; wrong: " : "";
  MESSAGE(result.states << " states" << verdict << result.run);
  return result;
}

// ------------------------------------------------------------------------------------- the bell

enum BellWord { kArmed, kRings, kData };

Program sleeper(int data, bool with_fence, bool with_second_look) {
  Program program{label("again"), load(0, data), jump_if(0, 1, "done"), load(1, kRings),
                  store(kArmed, 1)};
  if (with_fence) program.push_back(fence_all());
  if (with_second_look) append(program, {load(0, data), jump_if(0, 1, "done")});
  append(program, {futex_wait(kRings, 1), jump("again"), label("done")});
  return program;
}

Program sender(int data) {
  return {release(data, 1),      load(0, kArmed), jump_if(0, 0, "sent"), exchange(0, kArmed, 0),
          jump_if(0, 0, "sent"), add(kRings, 1),  futex_wake(),          label("sent")};
}

// One that is killed with the bell in its hands, and nicsim, which finds that out.
Program dying_sender(int data) {
  return {release(data, 1), load(0, kArmed), jump_if(0, 0, "dead"), exchange(0, kArmed, 0),
          label("dead")};
}
Program dying_sender(int data, bool nicsim_wakes) {
  Program program = dying_sender(data);
  if (nicsim_wakes) append(program, {add(kRings, 1), futex_wake()});
  return program;
}

}  // namespace

TEST_CASE("who sleeps by a bell does not sleep through a send") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {sleeper(kData, true, true), sender(kData)}).clean());
    CHECK(explore(memory, {sleeper(kData, true, true), sender(kData + 1), sender(kData)}).clean());
  }
}

TEST_CASE("two who sleep by one bell both wake") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {sleeper(kData, true, true), sleeper(kData + 1, true, true),
                           sender(kData), sender(kData + 1)})
              .clean());
  }
}

TEST_CASE("the sleeper's fence for all, and its second look, are needed") {
  for (const Memory memory : kDelaying) {
    CHECK(explore(memory, {sleeper(kData, false, true), sender(kData)}).stuck);
  }
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {sleeper(kData, true, false), sender(kData)}).stuck);
  }
  CHECK(explore(Memory::kSequential, {sleeper(kData, false, true), sender(kData)}).clean());
}

TEST_CASE("a sender that dies while it rings leaves a sleeper asleep, unless nicsim wakes him") {
  for (const Memory memory : kAll) {
    const Program waits = sleeper(kData, true, true);
    CHECK(explore(memory, {waits, dying_sender(kData + 1, false), sender(kData)}).stuck);
    CHECK(explore(memory, {waits, dying_sender(kData + 1, true), sender(kData)}).clean());
  }
}

namespace {

// ------------------------------------------------------------------------------------- the record

// kMapped: 0 while the mapping is there.
enum RecordWord { kClosed, kBusy, kUnmapped, kMany, kCounted, kOthers };

Program owner_stores(bool looks_after_entering = true) {
  Program program{label("enter")};
  if (!looks_after_entering) append(program, {load(0, kClosed), jump_if(0, 1, "out")});
  program.push_back(store(kBusy, 1));
  if (looks_after_entering) append(program, {load(0, kClosed), jump_if(0, 1, "leave")});
  append(program, {load(1, kUnmapped), check(1, 0),  // the store
                   label("leave"), release(kBusy, 0), label("out")});
  return program;
}

Program closer(bool with_fence, bool waits = true) {
  Program program{store(kClosed, 1)};
  if (with_fence) program.push_back(fence_all());
  if (waits) {
    append(program,
           {label("wait"), load(0, kBusy), jump_if(0, 0, "left"), jump("wait"), label("left")});
  }
  program.push_back(store(kUnmapped, 1));
  return program;
}

Program twice(const Program& program, const Program& again) {
  Program both = program;
  append(both, again);
  return both;
}

}  // namespace

TEST_CASE("nobody stores by a record that has been closed") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {owner_stores(), closer(true)}).clean());
  }
}

TEST_CASE("the closer's fence and wait, and the look after entering, are needed") {
  for (const Memory memory : kDelaying) {
    CHECK(explore(memory, {owner_stores(), closer(false)}).wrong);
  }
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {owner_stores(), closer(true, false)}).wrong);
    CHECK(explore(memory, {owner_stores(false), closer(true)}).wrong);
  }
}

namespace {

// The owner counts by a load and a store. Not if it finds that there are many: then it adds.
Program owner_counts(int number) {
  const std::string n = std::to_string(number);
  Program program{store(kBusy, 1), load(0, kMany), jump_if(0, 1, "many" + n), load(0, kCounted)};
  for (int seen = 0; seen < 3; ++seen) {
    append(program, {jump_if(0, seen, "saw" + n + std::to_string(seen))});
  }
  for (int seen = 0; seen < 3; ++seen) {
    append(program,
           {label("saw" + n + std::to_string(seen)), store(kCounted, seen + 1), jump("leave" + n)});
  }
  append(program, {label("many" + n), release(kBusy, 0), add(kCounted, 1), jump("end" + n),
                   label("leave" + n), release(kBusy, 0), label("end" + n)});
  return program;
}

Program second_comes(bool with_fence, bool waits) {
  Program program{store(kMany, 1)};
  if (with_fence) program.push_back(fence_all());
  if (waits) {
    append(program,
           {label("wait"), load(0, kBusy), jump_if(0, 0, "alone"), jump("wait"), label("alone")});
  }
  append(program, {add(kCounted, 1), add(kOthers, 1)});
  return program;
}

// Looks when both have ended: the owner says so by the same word.
Program sum_is(int expected) {
  return {label("wait"), load(0, kOthers),  jump_if(0, 2, "look"), jump("wait"),
          label("look"), load(1, kCounted), check(1, expected)};
}

std::vector<Program> counting(bool with_fence, bool waits) {
  Program owner = twice(owner_counts(0), owner_counts(1));
  owner.push_back(add(kOthers, 1));
  return {owner, second_comes(with_fence, waits), sum_is(3)};
}

}  // namespace

TEST_CASE("no count is lost when a second thread comes") {
  for (const Memory memory : kAll) CHECK(explore(memory, counting(true, true)).clean());
}

TEST_CASE("the fence and the wait of the second thread are needed") {
  for (const Memory memory : kDelaying) CHECK(explore(memory, counting(false, true)).wrong);
  for (const Memory memory : kAll) CHECK(explore(memory, counting(true, false)).wrong);
}

namespace {

// -------------------------------------------------------------------------------------- the order

// kByHost: stored by the sender's core, as the second transfer; kByNic: by nicsim, as the first.
enum OrderWord { kShut, kPending, kPosted, kCompleted, kByNic, kByHost };

// A transfer for nicsim, then a send by the host executor, which opens the record again if it can.
Program poster(bool keeps_in_order) {
  Program program;
  if (keeps_in_order) append(program, {store(kPending, 1), store(kShut, 1)});
  append(program,
         {release(kPosted, 1), fence(), load(0, kShut), jump_if(0, 0, "open"), load(0, kPending),
          jump_if(0, 0, "reopen"), load(0, kCompleted), jump_if(0, 0, "nic"), label("reopen"),
          store(kShut, 0), label("open"), release(kByHost, 1), label("nic")});
  return program;
}

// Another thread of the sender that only looks whether it can open the record.
Program opener() {
  return {load(0, kPending),    jump_if(0, 0, "end"), load(0, kCompleted),
          jump_if(0, 0, "end"), store(kShut, 0),      label("end")};
}

Program nicsim_carries_out() {
  return {label("look"), load(0, kPosted), jump_if(0, 0, "look"), store(kByNic, 1),
          release(kCompleted, 1)};
}

Program receiver() {
  return {load(0, kByHost), jump_if(0, 0, "end"), load(1, kByNic), check(1, 1), label("end")};
}

}  // namespace

TEST_CASE("no store of the host executor overtakes a transfer that was given to nicsim") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {poster(true), nicsim_carries_out(), receiver()}).clean());
    CHECK(explore(memory, {poster(true), nicsim_carries_out(), receiver(), opener()}).clean());
    CHECK(explore(memory, {poster(false), nicsim_carries_out(), receiver()}).wrong);
  }
}
