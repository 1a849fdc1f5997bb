// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// All interleavings of a few threads at the delivery gate, with the gate's own transitions: each
// change of the word is one step, as it is in the program (compare and exchange).
//
//   arrive()   a notification is queued; its thread then tries to deliver, as run_queued does
//   block()    as DeliveryGate::block, its sleep included
//   unblock()  as Notifications::unblock: delivers if told that the gate was wanted
//
// A handler takes two steps, so that others come between.

#include "vmmc/internal/notifications/gate_word.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

using namespace vmmc::internal;

namespace {

enum class Call : std::uint8_t { kArrive, kBlock, kUnblock };
using Calls = std::vector<Call>;

// Where a thread is inside of its current call.
enum class At : std::uint8_t {
  kStart,
  kTry,      // about to try to enter
  kLook,     // entered
  kHandler,  // a notification is taken
  kInside,   // its handler has begun
  kLeave,    // nothing was queued
  kWake,     // has left an awaited gate, wakes next
  kRetry,    // has woken
  kCheck,    // block: looks whether another's handler runs
  kSleep,    // block: about to sleep
  kAsleep,
};

constexpr std::size_t kThreads = 3;

struct Thread {
  At at = At::kStart;
  std::uint8_t call = 0;
  std::uint8_t ends = 0;    // as read before the check
  std::uint8_t again = 0;   // after leaving
  std::uint8_t blocks = 0;  // that this thread has taken, when its block has returned
  std::uint8_t unused[3] = {};
};

struct State {
  gate::Word word = 0;
  std::uint8_t ends = 0;
  std::uint8_t queued = 0;
  std::uint8_t running = 0;
  std::uint8_t unused[5] = {};
  std::array<Thread, kThreads> threads{};
  bool operator==(const State& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
struct Hash {
  std::size_t operator()(const State& state) const {
    return std::hash<std::string_view>()(
        std::string_view(reinterpret_cast<const char*>(&state), sizeof state));
  }
};

// What is taken out of the design, to see that the exploration would notice.
enum class Defect { kNone, kForgetsWanted, kNoSecondLook, kNoWaitForTheEnd };

class Explorer {
 public:
  Explorer(std::vector<Calls> programs, Defect defect)
      : programs_(std::move(programs)), defect_(defect) {}

  std::size_t states = 0;
  std::string fault;

  void explore() {
    std::deque<State> waiting{State{}};
    std::unordered_set<State, Hash> seen{State{}};
    while (!waiting.empty() && fault.empty()) {
      const State state = waiting.front();
      waiting.pop_front();
      ++states;
      bool moved = false;
      for (std::size_t i = 0; i < programs_.size(); ++i) {
        State next = state;
        if (!step(next, i)) continue;
        moved = true;
        if (seen.insert(next).second) waiting.push_back(next);
      }
      if (!moved) check_end(state);
    }
  }

 private:
  static gate::Word name(std::size_t thread) { return thread + 1; }
  bool over(const State& state, std::size_t i) const {
    return state.threads[i].call == programs_[i].size();
  }

  void check_end(const State& state) {
    for (std::size_t i = 0; i < programs_.size(); ++i) {
      if (!over(state, i)) fault = "thread " + std::to_string(i) + " sleeps for ever";
    }
    if (gate::runner(state.word) != 0) fault = "the gate stays taken";
    if (gate::blocks(state.word) == 0 && state.queued != 0) fault = "a notification is left behind";
    if (gate::blocks(state.word) == 0 && (state.word & gate::kWanted) != 0) {
      fault = "an attempt is forgotten";
    }
  }

  void finish(Thread& thread) {
    ++thread.call;
    thread.at = At::kStart;
    thread.ends = 0;
    thread.again = 0;
  }

  bool step(State& state, std::size_t i) {
    if (over(state, i)) return false;
    Thread& thread = state.threads[i];
    switch (thread.at) {
      case At::kStart:
        start(state, thread, i);
        return true;
      case At::kCheck:
      case At::kSleep:
      case At::kAsleep:
        return wait_for_end(state, thread, i);
      default:
        deliver(state, thread, i);
        return true;
    }
  }

  void start(State& state, Thread& thread, std::size_t i) {
    const gate::Word before = state.word;
    switch (programs_[i][thread.call]) {
      case Call::kArrive:
        ++state.queued;
        thread.at = At::kTry;
        return;
      case Call::kBlock:
        thread.ends = state.ends;
        state.word = gate::after_block(before, name(i));
        after_check(state, thread, i);
        return;
      case Call::kUnblock:
        // From here on others may enter.
        thread.blocks = thread.blocks > 0 ? thread.blocks - 1 : 0;
        state.word = gate::after_unblock(before);
        if (gate::told(before, state.word) && defect_ != Defect::kForgetsWanted) {
          thread.at = At::kTry;
        } else {
          finish(thread);
        }
        return;
    }
  }

  // block(): has looked at the word.
  void after_check(State& state, Thread& thread, std::size_t i) {
    if (gate::runs_elsewhere(state.word, name(i)) && defect_ != Defect::kNoWaitForTheEnd) {
      thread.at = At::kSleep;
      return;
    }
    ++thread.blocks;
    if (state.running != 0) fault = "block() returns while a handler runs";
    finish(thread);
  }

  bool wait_for_end(State& state, Thread& thread, std::size_t i) {
    if (thread.at == At::kSleep) {
      thread.at = state.ends == thread.ends ? At::kAsleep : At::kCheck;
      return true;
    }
    if (thread.at == At::kAsleep) return false;
    thread.ends = state.ends;
    state.word = gate::after_await(state.word, name(i));
    after_check(state, thread, i);
    return true;
  }

  void deliver(State& state, Thread& thread, std::size_t i) {
    const gate::Word before = state.word;
    switch (thread.at) {
      case At::kTry:
        state.word = gate::after_enter(before, name(i));
        if (gate::entry_result(before) == gate::Entry::kEntered) {
          thread.at = At::kLook;
        } else {
          finish(thread);
        }
        return;
      case At::kLook:
        thread.at = state.queued > 0 ? At::kHandler : At::kLeave;
        thread.again = state.queued > 0;
        if (state.queued > 0) --state.queued;
        return;
      case At::kHandler:
        begin_handler(state);
        thread.at = At::kInside;
        return;
      case At::kInside:
        --state.running;
        thread.at = At::kLeave;
        return;
      case At::kLeave:
        leave(state, thread, before);
        return;
      case At::kWake:
        ++state.ends;
        for (Thread& other : state.threads) {
          if (other.at == At::kAsleep) other.at = At::kCheck;
        }
        thread.at = At::kRetry;
        return;
      default:
        retry(thread);
        return;
    }
  }

  void begin_handler(State& state) {
    if (state.running++ != 0) fault = "two handlers run";
    for (const Thread& other : state.threads) {
      if (other.blocks != 0) fault = "a handler starts although a thread has blocked them";
    }
  }

  void leave(State& state, Thread& thread, gate::Word before) {
    state.word = gate::after_leave(before);
    if (gate::told(before, state.word) && defect_ != Defect::kNoSecondLook) thread.again = 1;
    thread.at = (before & gate::kAwaited) != 0 ? At::kWake : At::kRetry;
    if (thread.at == At::kRetry) retry(thread);
  }

  void retry(Thread& thread) {
    if (thread.again != 0) {
      thread.at = At::kTry;
      thread.again = 0;
    } else {
      finish(thread);
    }
  }

  const std::vector<Calls> programs_;
  const Defect defect_;
};

constexpr Call kArrive = Call::kArrive;
constexpr Call kBlock = Call::kBlock;
constexpr Call kUnblock = Call::kUnblock;

std::string explore(const std::vector<Calls>& programs, Defect defect = Defect::kNone) {
  Explorer explorer(programs, defect);
  explorer.explore();
  if (!explorer.fault.empty()) MESSAGE(explorer.states << " states: " << explorer.fault);
  return explorer.fault;
}

}  // namespace

TEST_CASE("every attempt is followed up, no two handlers run, and block waits for the end") {
  const std::vector<Calls> threads = {
      {kArrive},
      {kArrive, kArrive},
      {kBlock, kUnblock},
      {kBlock, kBlock, kUnblock, kUnblock},
      {kBlock, kArrive, kUnblock, kArrive},
      {kBlock, kUnblock, kBlock, kUnblock},
  };
  for (const Calls& first : threads) {
    for (const Calls& second : threads) {
      CHECK(explore({first, second}).empty());
      for (const Calls& third : threads) CHECK(explore({first, second, third}).empty());
    }
  }
}

TEST_CASE("each part of the design is needed") {
  CHECK_FALSE(explore({{kArrive}, {kBlock, kUnblock}}, Defect::kForgetsWanted).empty());
  CHECK_FALSE(explore({{kArrive}, {kArrive}}, Defect::kNoSecondLook).empty());
  CHECK_FALSE(explore({{kArrive}, {kBlock, kUnblock}}, Defect::kNoWaitForTheEnd).empty());
}

TEST_CASE("what unblock returns") {
  constexpr gate::Word kMe = 7;
  constexpr gate::Word kOther = 8;
  const auto result = [](gate::Word blocks, gate::Word runner) {
    return gate::unblock_result(blocks * gate::kOneBlock | runner, kMe);
  };
  CHECK(result(0, 0) > 0);
  CHECK(result(1, 0) > 0);
  CHECK(result(2, 0) == 0);
  CHECK(result(0, kOther) > 0);
  CHECK(result(1, kOther) > 0);
  CHECK(result(2, kOther) == 0);
  CHECK(result(0, kMe) == VMMC_ERR_IN_HANDLER);
  CHECK(result(1, kMe) == 0);
  CHECK(result(2, kMe) == 0);
  CHECK(gate::after_unblock(0) == 0);
  CHECK(gate::after_unblock(kMe) == kMe);
}

TEST_CASE("a count that runs over touches nothing else") {
  const gate::Word full = ~gate::Word{0};
  CHECK(gate::blocks(gate::after_block(full, gate::kThread)) == 0);
  CHECK((gate::after_block(full, gate::kThread) & (gate::kOneBlock - 1)) ==
        (full & (gate::kOneBlock - 1)));
}
