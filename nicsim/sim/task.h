// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A coroutine: a program of a simulated machine, or a part of one. It starts when it is awaited, and
// whoever awaits it goes on when it has ended, with its result or its exception.
//
//     Task<> program(Process& self) { const std::uint32_t word = co_await receive(self); ... }
//     Task<std::uint32_t> receive(Process& self) { ...; co_return word; }
//
// A task that ends without ever having waited costs no stack, however many of them follow each other, also
// where the compiler makes no tail calls.
//
// Threads: one. A Task that is destroyed before its end destroys the coroutine and all that it awaits.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace vmmc::nicsim::sim {

template <typename Result>
class Task;

namespace internal {

struct TaskPromiseBase {
  std::coroutine_handle<> awaits_end = std::noop_coroutine();  // until the task has waited
  std::exception_ptr failure;

  struct End {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
      return ended.promise().awaits_end;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  End final_suspend() noexcept { return {}; }
  void unhandled_exception() { failure = std::current_exception(); }
};

template <typename Result>
struct TaskPromise : TaskPromiseBase {
  std::optional<Result> result;

  Task<Result> get_return_object();
  void return_value(Result value) { result.emplace(std::move(value)); }
  Result take() { return std::move(*result); }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void take() {}
};

}  // namespace internal

template <typename Result = void>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<Result>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle coroutine) : coroutine_(coroutine) {}
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  // False: it has ended already, and whoever awaits it goes on at once.
  bool await_suspend(std::coroutine_handle<> awaiting) noexcept {
    coroutine_.resume();
    if (coroutine_.done()) return false;
    coroutine_.promise().awaits_end = awaiting;
    return true;
  }
  Result await_resume() {
    if (coroutine_.promise().failure) std::rethrow_exception(coroutine_.promise().failure);
    return coroutine_.promise().take();
  }

 private:
  Handle coroutine_;
};

namespace internal {

template <typename Result>
Task<Result> TaskPromise<Result>::get_return_object() {
  return Task<Result>(Task<Result>::Handle::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(Task<void>::Handle::from_promise(*this));
}

}  // namespace internal

}  // namespace vmmc::nicsim::sim
