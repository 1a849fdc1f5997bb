// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Forked processes that measure side by side, what they share, and a nicsim of their own.
//
// Threads and processes
//   The program that measures has one thread and never attaches itself; Gate and Shared are used by
//   it and by all that it forks.
//
// What a crash at any instruction leaves behind
//   Nothing: the children and nicsim die with the program, and the socket has no name in the file
//   system. A child that fails says a sentence on stderr, and ends with status 1.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "bench/support/placement.h"

namespace vmmc::bench {

// Ends the process with a sentence.
[[noreturn]] void fail(const std::string& what, const std::string& why);
// Ends the process with what errno says.
[[noreturn]] void fail_by_errno(const std::string& what);

// Who waits at it sleeps in the kernel and uses no CPU time.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void open();
  void pass();
  // False: not opened within `timeout` ns.
  bool pass_within(std::uint64_t timeout);

 private:
  int counter_;
};

// One zeroed object that all forked processes share.
template <typename T>
class Shared {
 public:
  Shared() {
    void* memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail_by_errno("mmap");
    object_ = new (memory) T();
  }
  ~Shared() {
    object_->~T();
    ::munmap(object_, sizeof(T));
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  T* object_;
};

// Forks a process, bound to `core`, that does `work` and ends with 0.
pid_t start_child(int core, const std::function<void()>& work);
// Waits for its end; ends the program if it has failed.
void join_child(pid_t child, const char* who);
void kill_child(pid_t child);

// A nicsim ($VMMC_NICSIM, else from $PATH) that children find by $VMMC_SOCKET.
class OwnNicsim {
 public:
  // `options`: more of them.
  OwnNicsim(int core, unsigned nodes, const std::vector<std::string>& options = {});
  ~OwnNicsim();
  OwnNicsim(const OwnNicsim&) = delete;
  OwnNicsim& operator=(const OwnNicsim&) = delete;

  pid_t process() const { return process_; }

 private:
  pid_t process_;
};

}  // namespace vmmc::bench
