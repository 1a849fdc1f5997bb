// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How a ring's two sides fall asleep, as models, all interleavings: nobody sleeps for ever, and
// nobody reads what is not there yet. Each fence and each order is shown to be needed.
//
//   the model             what it stands for
//   consumer_waits        RingReader::sleep and the loop around it; kPipe: byte in the pipe
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
