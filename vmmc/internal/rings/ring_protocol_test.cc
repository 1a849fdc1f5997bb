// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How a ring's two sides fall asleep, as models, all interleavings: nobody sleeps for ever, and
// nobody reads what is not there yet. Each fence and each order is shown to be needed.
//
//   the model             what it stands for
//   consumer_waits        a sleep and the loop around it; kPipe: byte in the pipe
//   consumer_waits_twice  RingReader::sleep, which empties the pipe only if it may have been rung
//   nicsim_publishes      a frame, `filled`, the fence, consumer_sleeps, the byte
//   consumer_returns      RingReader::give_back
//   nicsim_wants_a_block  nic_sleeps, the second look at `returned`, the wait for the doorbell

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "vmmc/internal/testing/memory_model.h"

using namespace vmmc::internal::testing;
using namespace steps;

namespace {

constexpr Memory kAll[] = {Memory::kSequential, Memory::kTotalStoreOrder,
                           Memory::kPartialStoreOrder};
enum Word { kFrame, kFilled, kConsumerSleeps, kPipe, kReturned, kEntry, kNicSleeps, kBell };
constexpr int kNever = kBell;  // where nobody rings it

struct Waiting {
  bool fence = true;
  bool drains_first = true;
};

void append(Program& program, Program more) {
  program.insert(program.end(), more.begin(), more.end());
}

// The exchange is the read that empties the pipe; taking and putting back is a poll.
Program consumer_waits(Waiting how = {}) {
  Program program{label("again"), load(0, kFilled), jump_if(0, 1, "found")};
  if (how.drains_first) append(program, {exchange(1, kPipe, 0)});
  append(program, {store(kConsumerSleeps, 1)});
  if (how.fence) append(program, {fence()});
  append(program, {load(0, kFilled), jump_if(0, 1, "awake")});
  if (!how.drains_first) append(program, {exchange(1, kPipe, 0)});
  append(program, {take_ring(kPipe), ring(kPipe), label("awake"), store(kConsumerSleeps, 0),
                   jump("again"), label("found"), load(1, kFrame), check(1, 1)});
  return program;
}

Program nicsim_publishes(bool fenced, bool released) {
  Program program{store(kFrame, 1), released ? release(kFilled, 1) : store(kFilled, 1)};
  if (fenced) append(program, {fence()});
  append(program, {load(0, kConsumerSleeps), jump_if(0, 0, "end"), exchange(0, kConsumerSleeps, 0),
                   jump_if(0, 0, "end"), ring(kPipe), label("end")});
  return program;
}

// For the n-th of two frames. Register 1: nobody can have rung since the pipe was last looked at.
Program consumer_waits_for(int n) {
  const std::string number = std::to_string(n);
  const auto at = [&](const char* name) { return name + number; };
  Program program{label(at("again")), load(0, kFilled), jump_if(0, 2, at("found"))};
  if (n == 1) append(program, {jump_if(0, 1, at("found"))});
  append(program,
         {jump_if(1, 1, at("arm")), exchange(0, kPipe, 0), label(at("arm")),
          store(kConsumerSleeps, 1), fence(), load(0, kFilled), jump_if(0, 2, at("awake"))});
  if (n == 1) append(program, {jump_if(0, 1, at("awake"))});
  // A poll that ended with a byte; kNever is always 0.
  append(program, {take_ring(kPipe), ring(kPipe), exchange(1, kConsumerSleeps, 0), load(1, kNever),
                   jump(at("again")), label(at("awake")), exchange(1, kConsumerSleeps, 0),
                   jump(at("again")), label(at("found"))});
  return program;
}

Program consumer_waits_twice() {
  Program program = consumer_waits_for(1);
  append(program, consumer_waits_for(2));
  return program;
}

// Two frames; `put_off`: it wakes for both at once.
Program nicsim_publishes_twice(bool put_off) {
  Program program;
  for (int n = 1; n <= 2; ++n) {
    append(program, {release(kFilled, n)});
    if (n == 1 && put_off) continue;
    const std::string end = "end" + std::to_string(n);
    append(program, {fence(), load(0, kConsumerSleeps), jump_if(0, 0, end),
                     exchange(0, kConsumerSleeps, 0), jump_if(0, 0, end), ring(kPipe), label(end)});
  }
  return program;
}

Program consumer_returns(bool fenced, bool released) {
  Program program{store(kEntry, 1), released ? release(kReturned, 1) : store(kReturned, 1)};
  if (fenced) append(program, {fence()});
  append(program, {load(0, kNicSleeps), jump_if(0, 0, "end"), exchange(0, kNicSleeps, 0),
                   jump_if(0, 0, "end"), ring(kBell), label("end")});
  return program;
}

Program nicsim_wants_a_block(bool looks_again) {
  Program program{label("again"), load(0, kReturned), jump_if(0, 1, "found"), store(kNicSleeps, 1),
                  fence()};
  if (looks_again) append(program, {load(0, kReturned), jump_if(0, 1, "awake")});
  append(program, {take_ring(kBell), label("awake"), store(kNicSleeps, 0), jump("again"),
                   label("found"), load(1, kEntry), check(1, 1)});
  return program;
}

Exploration explore(Memory memory, std::vector<Program> programs) {
  Exploration result = Explorer(memory, std::move(programs)).explore();
  const std::string verdict = result.stuck ? "; stuck: " : result.wrong ? "; wrong: " : "";
  MESSAGE(result.states << " states" << verdict << result.run);
  return result;
}

}  // namespace

TEST_CASE("a consumer that falls asleep while a frame becomes visible") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {consumer_waits(), nicsim_publishes(true, true)}).clean());
  }
}

TEST_CASE("... and again for the next one, whether nicsim wakes for each or once for both") {
  for (const Memory memory : kAll) {
    for (const bool put_off : {false, true}) {
      CHECK(explore(memory, {consumer_waits_twice(), nicsim_publishes_twice(put_off)}).clean());
    }
  }
}

TEST_CASE("... needs both fences, the release, and an empty pipe before the flag") {
  const Memory total = Memory::kTotalStoreOrder;
  CHECK(explore(total, {consumer_waits({.fence = false}), nicsim_publishes(true, true)}).stuck);
  CHECK(explore(total, {consumer_waits(), nicsim_publishes(false, true)}).stuck);
  CHECK(explore(Memory::kSequential,
                {consumer_waits({.drains_first = false}), nicsim_publishes(true, true)})
            .stuck);
  CHECK(
      explore(Memory::kPartialStoreOrder, {consumer_waits(), nicsim_publishes(true, false)}).wrong);
}

TEST_CASE("a nicsim that falls asleep while a block comes back") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {nicsim_wants_a_block(true), consumer_returns(true, true)}).clean());
  }
}

TEST_CASE("... needs the second look, the fence and the release") {
  const Memory total = Memory::kTotalStoreOrder;
  CHECK(explore(Memory::kSequential, {nicsim_wants_a_block(false), consumer_returns(true, true)})
            .stuck);
  CHECK(explore(total, {nicsim_wants_a_block(true), consumer_returns(false, true)}).stuck);
  CHECK(explore(Memory::kPartialStoreOrder,
                {nicsim_wants_a_block(true), consumer_returns(true, false)})
            .wrong);
}
