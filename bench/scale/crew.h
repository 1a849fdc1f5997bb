// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A crew: a nicsim of its own and any number of forked processes, which are small, and who may start
// when.
//
// Threads and processes: used by the program that measures, which never attaches itself; Gate and
// Shared by all of them.
//
// Errors: a failure anywhere ends everything with a sentence and status 1; nobody is left behind.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "vmmc/vmmc.hpp"

namespace vmmc::bench {

// Ends the process with what the library says.
[[noreturn]] void fail(const char* what, const char* why);

template <typename T>
T must(result<T> outcome, const char* what) {
  if (!outcome) fail(what, last_error());
  if constexpr (!std::is_void_v<T>) return std::move(outcome).value();
}

// Who waits at it sleeps in the kernel and uses no CPU time.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void open(std::uint64_t times = 1);  // for so many
  void pass(std::uint64_t times = 1);  // waits until it has been opened so often

 private:
  int counter_;
};

// Zeroed objects that all forked processes share.
template <typename T>
class Shared {
 public:
  explicit Shared(std::size_t count) : count_(count) {
    void* memory =
        ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap", "no memory for results");
    objects_ = static_cast<T*>(memory);
    for (std::size_t i = 0; i < count; ++i) new (objects_ + i) T();
  }
  ~Shared() { ::munmap(objects_, bytes()); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  T& operator[](std::size_t i) { return objects_[i]; }
  T* begin() { return objects_; }
  T* end() { return objects_ + count_; }

 private:
  std::size_t bytes() const { return count_ * sizeof(T); }
  std::size_t count_;
  T* objects_;
};

class Crew {
 public:
  static constexpr std::uint32_t kNodes = 4;

  // Starts nicsim ($VMMC_NICSIM, else from $PATH).
  Crew();
  // Ends nicsim and whoever still runs.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Forks a process that runs `work` with its number, from 0 on, as its process id (vmmc_init).
  void add(const std::function<void(std::uint32_t)>& work);
  // Waits until all processes have ended by themselves.
  void join();

  static identity identity_of(std::uint32_t number) { return {number % kNodes, number}; }

  pid_t nicsim() const { return nicsim_; }
  const std::vector<pid_t>& processes() const { return processes_; }

 private:
  pid_t nicsim_ = -1;
  std::string socket_;
  std::vector<pid_t> processes_;
};

// In a process of the crew.
attachment attach_as(std::uint32_t number);

}  // namespace vmmc::bench
