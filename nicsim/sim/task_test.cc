// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/task.h"

#include <doctest/doctest.h>

#include <coroutine>
#include <stdexcept>
#include <string>
#include <vector>

namespace vmmc::nicsim::sim {
namespace {

// Stops its coroutine until resume() is called.
struct Gate {
  std::coroutine_handle<> waiting;

  auto pass() {
    struct Awaiter {
      Gate& gate;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> coroutine) { gate.waiting = coroutine; }
      void await_resume() {}
    };
    return Awaiter{*this};
  }
  void resume() { waiting.resume(); }
};

// Runs a task; owns itself until its end.
struct Runner {
  struct promise_type {
    Runner get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Runner run(Task<> task, std::string& end) {
  try {
    co_await task;
    end = "ended";
  } catch (const std::exception& error) {
    end = error.what();
  }
}

Task<int> twice(Gate& gate, int value) {
  co_await gate.pass();
  co_return 2 * value;
}

TEST_CASE("a task starts when it is awaited, and its result comes back") {
  Gate gate;
  std::vector<int> results;
  std::string end;
  const auto program = [&]() -> Task<> {
    Task<int> first = twice(gate, 3);
    CHECK(!gate.waiting);
    results.push_back(co_await first);
    results.push_back(co_await twice(gate, 4));
  };
  run(program(), end);
  CHECK(results.empty());
  gate.resume();
  CHECK(results == std::vector{6});
  gate.resume();
  CHECK(results == std::vector{6, 8});
  CHECK(end == "ended");
}

Task<> fails(Gate& gate) {
  co_await gate.pass();
  throw std::runtime_error("no more");
}

TEST_CASE("an exception comes out where the task was awaited") {
  Gate gate;
  std::string caught;
  std::string end;
  const auto program = [&]() -> Task<> {
    try {
      co_await fails(gate);
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    co_await fails(gate);
  };
  run(program(), end);
  gate.resume();
  CHECK(caught == "no more");
  CHECK(end.empty());
  gate.resume();
  CHECK(end == "no more");
}

TEST_CASE("a hundred thousand tasks one after the other, and a thousand one inside the other") {
  struct Deep {
    static Task<int> down(int levels) {
      if (levels == 0) co_return 0;
      co_return co_await down(levels - 1) + 1;
    }
  };
  int depth = 0;
  std::string end;
  const auto program = [&]() -> Task<> {
    depth = co_await Deep::down(1000);
    for (int i = 0; i < 100000; ++i) depth += co_await Deep::down(1);
  };
  run(program(), end);
  CHECK(depth == 101000);
  CHECK(end == "ended");
}

TEST_CASE("a task that is destroyed before its end destroys what it awaits") {
  struct Counted {
    int& count;
    explicit Counted(int& c) : count(c) { ++count; }
    ~Counted() { --count; }
  };
  int alive = 0;
  Gate gate;
  const auto inner = [&]() -> Task<> {
    const Counted counted(alive);
    co_await gate.pass();
  };
  {
    const auto outer = [&]() -> Task<> {
      const Counted counted(alive);
      co_await inner();
    };
    Task<> task = outer();
    CHECK(task.await_suspend(std::noop_coroutine()));
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
}

}  // namespace
}  // namespace vmmc::nicsim::sim
