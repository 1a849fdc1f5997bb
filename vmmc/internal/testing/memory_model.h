// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A small model checker: threads of a few steps each over a few shared words, all interleavings,
// with the stores delayed as a processor may delay them.
//
//   Memory::kSequential       every store is seen at once
//   Memory::kTotalStoreOrder  each thread's stores wait in a queue (x86-64)
//   Memory::kPartialStoreOrder  ... in a queue per word: stores to different words overtake each
//                             other, unless the later one is a release (a part of what AArch64 does)
//
// A run is stuck when no thread can take a step, no store waits, and not all threads have ended.
// Loads are never early. Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vmmc::internal::testing {

enum class Memory { kSequential, kTotalStoreOrder, kPartialStoreOrder };

struct ModelStep {
  enum class Kind {
    kLabel,      // a name for jumps
    kStore,      // word = value
    kRelease,    // the same, after all earlier stores
    kLoad,       // register = word
    kExchange,   // register = word, word = value; nothing waits any more then
    kAdd,        // word += value, likewise
    kFence,      // nothing waits any more
    kFenceAll,   // nothing of any thread waits any more (membarrier)
    kRing,       // word = 1 by the kernel (eventfd)
    kTakeRing,   // waits until word is not 0, then word = 0 (read from an eventfd)
    kFutexWait,  // sleeps if word equals the register
    kFutexWake,  // wakes all
    kJump,       // always
    kJumpIf,     // if the register equals value
    kCheck,      // the run is wrong unless the register equals value
  };
  Kind kind;
  int word = 0;
  int value = 0;
  int reg = 0;
  std::string label = {};
};
using Program = std::vector<ModelStep>;

namespace steps {
using Kind = ModelStep::Kind;
inline ModelStep label(std::string name) { return {Kind::kLabel, 0, 0, 0, std::move(name)}; }
inline ModelStep store(int word, int value) { return {Kind::kStore, word, value}; }
inline ModelStep release(int word, int value) { return {Kind::kRelease, word, value}; }
inline ModelStep load(int reg, int word) { return {Kind::kLoad, word, 0, reg}; }
inline ModelStep exchange(int reg, int word, int value) {
  return {Kind::kExchange, word, value, reg};
}
inline ModelStep add(int word, int value) { return {Kind::kAdd, word, value}; }
inline ModelStep fence() { return {Kind::kFence}; }
inline ModelStep fence_all() { return {Kind::kFenceAll}; }
inline ModelStep ring(int word) { return {Kind::kRing, word}; }
inline ModelStep take_ring(int word) { return {Kind::kTakeRing, word}; }
inline ModelStep futex_wait(int word, int reg) { return {Kind::kFutexWait, word, 0, reg}; }
inline ModelStep futex_wake() { return {Kind::kFutexWake}; }
inline ModelStep jump(std::string to) { return {Kind::kJump, 0, 0, 0, std::move(to)}; }
inline ModelStep jump_if(int reg, int value, std::string to) {
  return {Kind::kJumpIf, 0, value, reg, std::move(to)};
}
inline ModelStep check(int reg, int value) { return {Kind::kCheck, 0, value, reg}; }
}  // namespace steps

struct Exploration {
  std::size_t states = 0;
  bool stuck = false;
  bool wrong = false;
  std::string run;  // the shortest one that is stuck or wrong, thread by thread: "0.3 1.0 0~2 ..."
  bool clean() const { return !stuck && !wrong; }
};

class Explorer {
 public:
  static constexpr std::size_t kWords = 8;
  static constexpr std::size_t kRegisters = 2;
  static constexpr std::size_t kThreads = 4;
  static constexpr std::size_t kDelayed = 4;

  Explorer(Memory memory, std::vector<Program> programs)
      : memory_(memory), programs_(std::move(programs)) {
    if (programs_.size() > kThreads) throw std::logic_error("too many threads");
    for (const Program& program : programs_) {
      auto& labels = labels_.emplace_back();
      for (std::size_t i = 0; i < program.size(); ++i) {
        if (program[i].kind == ModelStep::Kind::kLabel) labels[program[i].label] = i;
      }
    }
  }

  // All runs, the shortest first.
  Exploration explore() {
    Exploration result;
    std::deque<State> waiting{State{}};
    came_from_.emplace(State{}, std::pair{State{}, std::string()});
    while (!waiting.empty() && result.clean()) {
      const State state = waiting.front();
      waiting.pop_front();
      bool moved = false;
      for (std::size_t thread = 0; thread < programs_.size(); ++thread) {
        for (const auto& [next, name] : successors(state, thread, result.wrong)) {
          moved = true;
          if (came_from_.emplace(next, std::pair{state, name}).second) waiting.push_back(next);
        }
      }
      result.stuck = !moved && !ended(state);
      if (!result.clean()) result.run = run_to(state);
    }
    result.states = came_from_.size();
    return result;
  }

 private:
  struct Delayed {
    std::uint8_t word, value;
  };
  struct Thread {
    std::uint8_t next, asleep, delayed_count;
    std::array<std::uint8_t, kRegisters> registers;
    std::array<Delayed, kDelayed> delayed;  // what is not in use is 0
  };
  // Bytes only, so that equal states are equal bytes.
  struct State {
    std::array<std::uint8_t, kWords> words{};
    std::array<Thread, kThreads> threads{};
    bool operator==(const State& other) const {
      return std::memcmp(this, &other, sizeof *this) == 0;
    }
  };
  struct Hash {
    std::size_t operator()(const State& state) const {
      return std::hash<std::string_view>()(
          std::string_view(reinterpret_cast<const char*>(&state), sizeof state));
    }
  };
  using Successors = std::vector<std::pair<State, std::string>>;

  bool ended(const State& state) const {
    for (std::size_t i = 0; i < programs_.size(); ++i) {
      if (state.threads[i].next < programs_[i].size()) return false;
    }
    return true;
  }

  std::string run_to(State state) const {
    std::string run;
    while (true) {
      const auto& [before, name] = came_from_.at(state);
      if (name.empty()) return run;
      run = name + " " + run;
      state = before;
    }
  }

  Successors successors(const State& state, std::size_t thread, bool& wrong) const {
    Successors all;
    const std::string prefix = std::to_string(thread);
    State next = state;
    const int at = next.threads[thread].next;
    if (execute(next, thread, wrong)) all.emplace_back(next, prefix + "." + std::to_string(at));
    const Thread& from = state.threads[thread];
    for (std::uint8_t i = 0; i < from.delayed_count; ++i) {
      if (!may_leave(from, i)) continue;
      next = state;
      leave(next, thread, i);
      all.emplace_back(next, prefix + "~" + std::to_string(from.delayed[i].word));
    }
    return all;
  }

  // Whether the i-th delayed store may reach memory before those that wait in front of it.
  bool may_leave(const Thread& thread, std::uint8_t i) const {
    if (memory_ == Memory::kTotalStoreOrder) return i == 0;
    for (std::uint8_t before = 0; before < i; ++before) {
      if (thread.delayed[before].word == thread.delayed[i].word) return false;
    }
    return true;
  }

  static void leave(State& state, std::size_t number, std::uint8_t i) {
    Thread& thread = state.threads[number];
    state.words[thread.delayed[i].word] = thread.delayed[i].value;
    for (std::uint8_t k = i; k + 1 < thread.delayed_count; ++k) {
      thread.delayed[k] = thread.delayed[k + 1];
    }
    thread.delayed[--thread.delayed_count] = {};
  }

  bool store(State& state, Thread& thread, const ModelStep& step) const {
    const auto word = static_cast<std::uint8_t>(step.word);
    const auto value = static_cast<std::uint8_t>(step.value);
    if (memory_ == Memory::kSequential) {
      state.words[word] = value;
      return true;
    }
    if (thread.delayed_count == kDelayed) return false;
    thread.delayed[thread.delayed_count++] = {word, value};
    return true;
  }

  // A thread sees its own stores at once.
  static std::uint8_t load(const State& state, const Thread& thread, int word) {
    for (int i = thread.delayed_count; i-- > 0;) {
      const Delayed& delayed = thread.delayed[static_cast<std::size_t>(i)];
      if (delayed.word == word) return delayed.value;
    }
    return state.words[static_cast<std::size_t>(word)];
  }

  // One step; false if it cannot be taken now.
  bool execute(State& state, std::size_t number, bool& wrong) const {
    Thread& thread = state.threads[number];
    if (thread.asleep != 0 || thread.next >= programs_[number].size()) return false;
    const ModelStep& step = programs_[number][thread.next];
    if (!carry_out(state, thread, step)) return false;
    ++thread.next;
    const std::uint8_t reg = thread.registers[static_cast<std::size_t>(step.reg)];
    if (step.kind == ModelStep::Kind::kJump ||
        (step.kind == ModelStep::Kind::kJumpIf && reg == step.value)) {
      thread.next = static_cast<std::uint8_t>(labels_[number].at(step.label));
    }
    if (step.kind == ModelStep::Kind::kCheck && reg != step.value) wrong = true;
    return true;
  }

  bool carry_out(State& state, Thread& thread, const ModelStep& step) const {
    using Kind = ModelStep::Kind;
    std::uint8_t& word = state.words[static_cast<std::size_t>(step.word)];
    std::uint8_t& reg = thread.registers[static_cast<std::size_t>(step.reg)];
    const bool drained = thread.delayed_count == 0;
    switch (step.kind) {
      case Kind::kStore:
        return store(state, thread, step);
      case Kind::kRelease:
        if (memory_ == Memory::kPartialStoreOrder && !drained) return false;
        return store(state, thread, step);
      case Kind::kLoad:
        reg = load(state, thread, step.word);
        return true;
      case Kind::kExchange:
        if (drained) reg = std::exchange(word, static_cast<std::uint8_t>(step.value));
        return drained;
      case Kind::kAdd:
        if (drained) word = static_cast<std::uint8_t>(word + step.value);
        return drained;
      case Kind::kFence:
        return drained;
      case Kind::kFenceAll:
        for (const Thread& other : state.threads) {
          if (other.delayed_count != 0) return false;
        }
        return true;
      case Kind::kRing:
        word = 1;
        return true;
      case Kind::kTakeRing:
        return std::exchange(word, 0) != 0;
      case Kind::kFutexWait:
        thread.asleep = word == reg ? 1 : 0;
        return true;
      case Kind::kFutexWake:
        for (Thread& other : state.threads) other.asleep = 0;
        return true;
      case Kind::kLabel:
      case Kind::kJump:
      case Kind::kJumpIf:
      case Kind::kCheck:
        return true;
    }
    return false;
  }

  const Memory memory_;
  const std::vector<Program> programs_;
  std::vector<std::map<std::string, std::size_t>> labels_;
  std::unordered_map<State, std::pair<State, std::string>, Hash> came_from_;
};

}  // namespace vmmc::internal::testing
