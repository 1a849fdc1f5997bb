// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The protocols of the channel as models, all interleavings: nobody sleeps for ever, and nobody
// reads what is not there yet. Each fence and each second look is shown to be needed.
//
//   the model                what it stands for
//   client_posts             SendQueue::publish, ring_if_asleep
//   nicsim_serves            ChannelView::take, park, unpark, and the wait for the doorbell
//   client_waits             Waiter::sleep and the loop around it
//   nicsim_moves             the engine's store, its fence, ChannelView::wake_if_armed

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "vmmc/internal/testing/memory_model.h"

using namespace vmmc::internal::testing;

namespace {

using namespace steps;

constexpr Memory kAll[] = {Memory::kSequential, Memory::kTotalStoreOrder,
                           Memory::kPartialStoreOrder};

void append(Program& program, const Program& more) {
  program.insert(program.end(), more.begin(), more.end());
}

Exploration explore(Memory memory, std::vector<Program> programs) {
  Exploration result = Explorer(memory, std::move(programs)).explore();
  const std::string verdict = result.stuck ? "; stuck: " : result.wrong ? "; wrong: " : "";
  MESSAGE(result.states << " states" << verdict << result.run);
  return result;
}

// ---------------------------------------------------------------------------------- the doorbell

enum DoorbellWord { kNicSleeps, kBell, kFirstSlot };
constexpr int kDescriptors = 2;

Program client_posts(bool with_fence) {
  Program program;
  for (int i = 0; i < kDescriptors; ++i) {
    const std::string next = "posted" + std::to_string(i);
    program.push_back(release(kFirstSlot + i, 1));
    if (with_fence) program.push_back(fence());
    append(program, {load(0, kNicSleeps), jump_if(0, 0, next), exchange(0, kNicSleeps, 0),
                     jump_if(0, 0, next), ring(kBell), label(next)});
  }
  return program;
}

Program nicsim_serves(bool with_fence, bool with_second_look) {
  Program program;
  for (int i = 0; i < kDescriptors; ++i) {
    const std::string number = std::to_string(i);
    append(program, {label("look" + number), load(0, kFirstSlot + i),
                     jump_if(0, 1, "take" + number), store(kNicSleeps, 1)});
    if (with_fence) program.push_back(fence());
    if (with_second_look) {
      append(program, {load(0, kFirstSlot + i), jump_if(0, 1, "unpark" + number)});
    }
    append(program, {take_ring(kBell), label("unpark" + number), store(kNicSleeps, 0),
                     jump("look" + number), label("take" + number)});
  }
  return program;
}

}  // namespace

TEST_CASE("nicsim misses no descriptor") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_posts(true), nicsim_serves(true, true)}).clean());
  }
}

TEST_CASE("without delayed stores the doorbell needs no fences") {
  CHECK(explore(Memory::kSequential, {client_posts(false), nicsim_serves(false, true)}).clean());
}

TEST_CASE("each fence of the doorbell, and nicsim's second look, is needed") {
  for (const Memory memory : {Memory::kTotalStoreOrder, Memory::kPartialStoreOrder}) {
    CHECK(explore(memory, {client_posts(false), nicsim_serves(true, true)}).stuck);
    CHECK(explore(memory, {client_posts(true), nicsim_serves(false, true)}).stuck);
  }
  CHECK(explore(Memory::kSequential, {client_posts(true), nicsim_serves(true, false)}).stuck);
}

namespace {

// ------------------------------------------------------------------------------ the wake request

enum WakeWord { kArmed, kCount, kGone, kFirstData };

Program client_waits(int data, bool with_fence, bool with_second_look) {
  Program program{label("again"),        load(0, data),   jump_if(0, 1, "done"), load(0, kGone),
                  jump_if(0, 1, "done"), load(1, kCount), store(kArmed, 1)};
  if (with_fence) program.push_back(fence());
  if (with_second_look) {
    append(program, {load(0, data), jump_if(0, 1, "done"), load(0, kGone), jump_if(0, 1, "done")});
  }
  append(program, {futex_wait(kCount, 1), jump("again"), label("done")});
  return program;
}

Program nicsim_moves(int transfers, bool with_fence) {
  Program program;
  for (int i = 0; i < transfers; ++i) {
    const std::string next = "moved" + std::to_string(i);
    program.push_back(store(kFirstData + i, 1));
    if (with_fence) program.push_back(fence());
    append(program, {load(0, kArmed), jump_if(0, 0, next), exchange(0, kArmed, 0),
                     jump_if(0, 0, next), add(kCount, 1), futex_wake(), label(next)});
  }
  return program;
}

// Waiter::announce_end: another thread of the client.
Program end_is_announced(bool counts) {
  Program program{release(kGone, 1)};
  if (counts) program.push_back(add(kCount, 1));
  program.push_back(futex_wake());
  return program;
}

}  // namespace

TEST_CASE("a client that waits for a transfer does not sleep through it") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_waits(kFirstData, true, true), nicsim_moves(1, true)}).clean());
  }
}

TEST_CASE("two threads of a client that wait for two transfers both wake") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_waits(kFirstData, true, true),
                           client_waits(kFirstData + 1, true, true), nicsim_moves(2, true)})
              .clean());
  }
}

TEST_CASE("without delayed stores the wake request needs no fences") {
  CHECK(
      explore(Memory::kSequential, {client_waits(kFirstData, false, true), nicsim_moves(1, false)})
          .clean());
}

TEST_CASE("each fence of the wake request, and the client's second look, is needed") {
  for (const Memory memory : {Memory::kTotalStoreOrder, Memory::kPartialStoreOrder}) {
    CHECK(explore(memory, {client_waits(kFirstData, false, true), nicsim_moves(1, true)}).stuck);
    CHECK(explore(memory, {client_waits(kFirstData, true, true), nicsim_moves(1, false)}).stuck);
  }
  CHECK(explore(Memory::kSequential, {client_waits(kFirstData, true, false), nicsim_moves(1, true)})
            .stuck);
}

TEST_CASE("nicsim's end wakes who waits, and must be counted as an arrival") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_waits(kFirstData, true, true), end_is_announced(true)}).clean());
  }
  CHECK(
      explore(Memory::kSequential, {client_waits(kFirstData, true, true), end_is_announced(false)})
          .stuck);
}

namespace {

// ------------------------------------------------------------------------------ the watched word

constexpr int kWatched = 5;  // a word of the channel: which data is watched, 1 or 2

// WordWakes::request and Waiter::sleep of a thread that waits for the second data, after another
// thread's watch of the first has ended at its timeout and left the flag behind.
Program client_watches(bool names_before_arming) {
  Program program{store(kWatched, 1),      store(kArmed, 1),      label("again"),
                  load(0, kFirstData + 1), jump_if(0, 1, "done"), load(1, kCount)};
  if (names_before_arming) program.push_back(store(kWatched, 2));
  program.push_back(exchange(0, kArmed, 1));
  if (!names_before_arming) program.push_back(store(kWatched, 2));
  append(program, {fence(), load(0, kFirstData + 1), jump_if(0, 1, "done"), futex_wait(kCount, 1),
                   jump("again"), label("done")});
  return program;
}

// Two transfers; the engine asks whether the bytes are watched before it wakes.
Program nicsim_moves_watched(bool with_fence) {
  Program program;
  for (int i = 0; i < 2; ++i) {
    const std::string number = std::to_string(i);
    program.push_back(store(kFirstData + i, 1));
    if (with_fence) program.push_back(fence());
    append(program,
           {load(0, kArmed), jump_if(0, 0, "moved" + number), load(0, kWatched),
            jump_if(0, i + 1, "wake" + number), jump("moved" + number), label("wake" + number),
            exchange(0, kArmed, 0), jump_if(0, 0, "moved" + number), add(kCount, 1), futex_wake(),
            label("moved" + number)});
  }
  return program;
}

}  // namespace

TEST_CASE("who watches a word is woken for it, whatever watch was left behind") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_watches(true), nicsim_moves_watched(true)}).clean());
  }
}

TEST_CASE("without the engine's fence a watched word is missed") {
  for (const Memory memory : {Memory::kTotalStoreOrder, Memory::kPartialStoreOrder}) {
    CHECK(explore(memory, {client_watches(true), nicsim_moves_watched(false)}).stuck);
  }
}

TEST_CASE("a watch may be named before or after arming, as long as the fence and look follow") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_watches(false), nicsim_moves_watched(true)}).clean());
  }
}

namespace {

// ------------------------------------------------------------------- results after a slot's reuse

enum ResultWord { kLogged, kClaimed, kHeader, kResult };

// SendQueue::begin and publish of the next ticket of a slot whose last one failed: the failure is
// in the log before the slot is claimed again.
Program poster_reuses_slot(bool with_release) {
  return {release(kLogged, 1), with_release ? release(kClaimed, 1) : store(kClaimed, 1),
          release(kHeader, 1)};
}

// nicsim carries out the next ticket, which succeeds.
Program nicsim_completes() {
  return {label("look"), load(0, kHeader), jump_if(0, 0, "look"), store(kResult, 1)};
}

// SendQueue::test of the failed ticket: its result (0) from the slot, or from the log.
Program handle_is_tested() {
  return {load(0, kResult), load(1, kClaimed), jump_if(1, 1, "reused"),
          check(0, 0),      jump("told"),      label("reused"),
          load(1, kLogged), check(1, 1),       label("told")};
}

}  // namespace

TEST_CASE("a failure is found in its slot or in the log, whenever the slot is used again") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {poster_reuses_slot(true), nicsim_completes(), handle_is_tested()})
              .clean());
  }
}

TEST_CASE("a slot must be claimed with release, or its failure is missed") {
  CHECK(explore(Memory::kPartialStoreOrder,
                {poster_reuses_slot(false), nicsim_completes(), handle_is_tested()})
            .wrong);
}

namespace {

// ------------------------------------------------------------------------------- the failure log

enum LogWord { kTicket, kStatus };

// FailureLog::add over an entry that holds ticket 0 with status 0.
Program entry_is_overwritten(bool emptied_first) {
  Program program;
  if (emptied_first) program.push_back(store(kTicket, 99));
  append(program, {release(kStatus, 1), release(kTicket, 1)});
  return program;
}

// FailureLog::find of ticket 0 (or 1, if it is there already).
Program entry_is_read() {
  return {load(0, kTicket),     jump_if(0, 1, "new"),  load(1, kStatus), load(0, kTicket),
          jump_if(0, 1, "end"), jump_if(0, 99, "end"), check(1, 0),      jump("end"),
          label("new"),         load(1, kStatus),      check(1, 1),      label("end")};
}

}  // namespace

TEST_CASE("an entry of the failure log is read whole or not at all") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {entry_is_overwritten(true), entry_is_read()}).clean());
    CHECK(explore(memory, {entry_is_overwritten(false), entry_is_read()}).wrong);
  }
}
