// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Sleeping and waking of a receiver as a model, all interleavings: it does not sleep while a datagram is
// there, or when the other side has ended. Each fence and the second look are shown to be needed.
//
//   the model          what it stands for
//   executor_arrives   DatagramSender::arrive, and nicsim's nic executor
//   nicsim_ends        nicsim stores the state, and rings without being asked
//   receiver_waits     DatagramReceiver::wait, sleep, arm

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "vmmc/internal/testing/memory_model.h"

using namespace vmmc::internal::testing;

namespace {

using namespace steps;

enum Word { kSleeps, kBell, kEnded, kFirstSlot };
constexpr Memory kAll[] = {Memory::kSequential, Memory::kTotalStoreOrder,
                           Memory::kPartialStoreOrder};

void append(Program& program, const Program& more) {
  program.insert(program.end(), more.begin(), more.end());
}

Program executor_arrives(int datagrams, bool with_fence) {
  Program program;
  for (int i = 0; i < datagrams; ++i) {
    const std::string next = "sent" + std::to_string(i);
    program.push_back(release(kFirstSlot + i, 1));
    if (with_fence) program.push_back(fence());
    append(program, {load(0, kSleeps), jump_if(0, 0, next), exchange(0, kSleeps, 0),
                     jump_if(0, 0, next), ring(kBell), label(next)});
  }
  return program;
}

Program nicsim_ends() { return {release(kEnded, 1), fence(), ring(kBell)}; }

// Waits for so many datagrams, and then for the end if `until_end`.
Program receiver_waits(int datagrams, bool with_fence, bool with_second_look, bool until_end) {
  Program program;
  for (int i = 0; i < datagrams + (until_end ? 1 : 0); ++i) {
    const std::string n = std::to_string(i);
    const int word = i < datagrams ? kFirstSlot + i : kEnded;
    append(program,
           {label("look" + n), load(0, word), jump_if(0, 1, "there" + n), store(kSleeps, 1)});
    if (with_fence) program.push_back(fence());
    if (with_second_look) append(program, {load(0, word), jump_if(0, 1, "disarm" + n)});
    append(program, {take_ring(kBell), label("disarm" + n), store(kSleeps, 0), jump("look" + n),
                     label("there" + n)});
  }
  return program;
}

bool clean(Memory memory, std::vector<Program> programs) {
  return Explorer(memory, std::move(programs)).explore().clean();
}

}  // namespace

TEST_CASE("a receiver misses no datagram") {
  for (const Memory memory : kAll) {
    CHECK(clean(memory, {executor_arrives(2, true), receiver_waits(2, true, true, false)}));
  }
}

TEST_CASE("a receiver misses no end") {
  for (const Memory memory : kAll) {
    CHECK(clean(memory,
                {executor_arrives(1, true), receiver_waits(1, true, true, true), nicsim_ends()}));
  }
}

TEST_CASE("each fence and the second look are needed") {
  for (const Memory memory : {Memory::kTotalStoreOrder, Memory::kPartialStoreOrder}) {
    CHECK_FALSE(clean(memory, {executor_arrives(2, false), receiver_waits(2, true, true, false)}));
    CHECK_FALSE(clean(memory, {executor_arrives(2, true), receiver_waits(2, false, true, false)}));
  }
  CHECK_FALSE(clean(Memory::kSequential,
                    {executor_arrives(2, true), receiver_waits(2, true, false, false)}));
}
