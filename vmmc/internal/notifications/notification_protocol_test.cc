// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The sleep protocols of the notification queue as models, all interleavings.
//
//   the model         what it stands for
//   client_waits      NewsPipe::sleep: empty the pipe, NotificationQueue::arm, look, poll
//   nicsim_notifies   raise `produced`, exchange client_waits, write to the pipe
//   client_takes      NotificationQueue::advance and ring
//   nicsim_stalls     nicsim without room: nic_waits, look, sleep on the doorbell
//   nicsim_stalls_two  the same with two senders that notify one client: the first waits, then the
//                     second finds room by its second look

#include <doctest/doctest.h>

#include <string>

#include "vmmc/internal/testing/memory_model.h"

using namespace vmmc::internal::testing;

namespace {

using namespace steps;

constexpr Memory kAll[] = {Memory::kSequential, Memory::kTotalStoreOrder,
                           Memory::kPartialStoreOrder};

enum Word { kWaits, kBell, kFirst };
constexpr int kCount = 2;

// Waits for kCount events, each of which has a word of its own.
Program sleeper(bool with_fence, bool with_second_look) {
  Program program;
  for (int i = 0; i < kCount; ++i) {
    const std::string number = std::to_string(i);
    program.insert(program.end(), {label("look" + number), load(0, kFirst + i),
                                   jump_if(0, 1, "next" + number), store(kWaits, 1)});
    if (with_fence) program.push_back(fence());
    if (with_second_look) {
      program.insert(program.end(), {load(0, kFirst + i), jump_if(0, 1, "next" + number)});
    }
    program.insert(program.end(),
                   {take_ring(kBell), jump("look" + number), label("next" + number)});
  }
  return program;
}

Program client_waits(bool with_fence, bool with_second_look) {
  return sleeper(with_fence, with_second_look);
}
Program nicsim_stalls(bool with_fence, bool with_second_look) {
  return sleeper(with_fence, with_second_look);
}

Program nicsim_stalls_two(bool takes_its_question_back) {
  const auto ask = [](Program& program) {
    program.insert(program.end(), {store(kWaits, 1), fence(), load(0, kFirst)});
  };
  Program program;
  ask(program);
  program.push_back(jump_if(0, 1, "room for the first"));
  ask(program);
  program.push_back(jump_if(0, 0, "sleep"));
  if (takes_its_question_back) program.push_back(store(kWaits, 0));
  program.insert(program.end(), {label("sleep"), take_ring(kBell), label("room for the first")});
  return program;
}

Program nicsim_notifies() {
  Program program;
  for (int i = 0; i < kCount; ++i) {
    const std::string next = "next" + std::to_string(i);
    program.insert(program.end(), {release(kFirst + i, 1), exchange(0, kWaits, 0),
                                   jump_if(0, 0, next), ring(kBell), label(next)});
  }
  return program;
}

Program client_takes(bool with_fence) {
  Program program;
  for (int i = 0; i < kCount; ++i) {
    const std::string next = "next" + std::to_string(i);
    program.push_back(release(kFirst + i, 1));
    if (with_fence) program.push_back(fence());
    program.insert(program.end(), {load(0, kWaits), jump_if(0, 0, next), exchange(0, kWaits, 0),
                                   jump_if(0, 0, next), ring(kBell), label(next)});
  }
  return program;
}

Exploration explore(Memory memory, std::vector<Program> programs) {
  return Explorer(memory, std::move(programs)).explore();
}

}  // namespace

TEST_CASE("a client that sleeps misses no notification") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {client_waits(true, true), nicsim_notifies()}).clean());
  }
}

TEST_CASE("nicsim that stalls misses no room") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {nicsim_stalls(true, true), client_takes(true)}).clean());
  }
}

TEST_CASE("who finds room does not take back what another sender asked for") {
  for (const Memory memory : kAll) {
    CHECK(explore(memory, {nicsim_stalls_two(false), client_takes(true)}).clean());
    CHECK(explore(memory, {nicsim_stalls_two(true), client_takes(true)}).stuck);
  }
}

TEST_CASE("each fence and each second look is needed") {
  CHECK(explore(Memory::kSequential, {client_waits(true, false), nicsim_notifies()}).stuck);
  CHECK(explore(Memory::kSequential, {nicsim_stalls(true, false), client_takes(true)}).stuck);
  for (const Memory memory : {Memory::kTotalStoreOrder, Memory::kPartialStoreOrder}) {
    CHECK(explore(memory, {client_waits(false, true), nicsim_notifies()}).stuck);
    CHECK(explore(memory, {nicsim_stalls(false, true), client_takes(true)}).stuck);
    CHECK(explore(memory, {nicsim_stalls(true, true), client_takes(false)}).stuck);
  }
}
