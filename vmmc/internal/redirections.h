// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The redirections of this process's buffers.
//
// Threads and processes
//   Any thread, one at a time. before_fork() and after_fork() hold everybody up around a fork.
//
// Invariants
//   The destination of a redirection is shared memory (SharedSegments) from before nicsim knows the
//   redirection until after it has forgotten it. A long redirection is several of nicsim's (slices).
//   What can be refused is refused before nicsim hears of the first of them: nicsim would copy what
//   has arrived, and forget that it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "nicsim/wire/control.h"
#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Redirections {
 public:
  Redirections(ControlConnection& connection, SharedSegments& segments, Waiter& waiter)
      : connection_(connection), segments_(segments), waiter_(waiter) {}

  // As vmmc_redirect and vmmc_end_redirection; the counts may be null. REQUIRES: the bytes lie in a
  // buffer that can be redirected, as far as this process knows.
  int add(std::uint32_t buffer, std::size_t offset, std::size_t length, void* destination,
          std::size_t* copied);
  int remove(std::uint32_t buffer, std::size_t offset, std::size_t* direct);

  // To be called when nicsim has forgotten the buffer, and all redirections with it.
  void forget(std::uint32_t buffer);

  void before_fork() { mutex_.lock(); }
  void after_fork() { mutex_.unlock(); }

 private:
  struct Redirection {
    std::byte* destination;
    std::size_t length;
  };
  using Key = std::pair<std::uint32_t, std::size_t>;  // buffer and offset

  using Covers = std::vector<SharedSegments::Cover>;  // of the slices, from the first on

  int check_new(std::uint32_t buffer, std::size_t offset, std::size_t length) const;
  int cover_slices(const Redirection& redirection, Covers& covers);
  void release_slices(const Redirection& redirection, std::size_t count);
  int add_slice(std::uint32_t buffer, std::size_t offset, std::size_t length,
                const SharedSegments::Cover& cover, std::uint64_t* copied);
  int end_slice(std::uint32_t buffer, std::size_t offset, std::uint64_t* direct);
  int end_slices(std::uint32_t buffer, std::size_t offset, std::size_t count,
                 std::uint64_t* direct);

  ControlConnection& connection_;
  SharedSegments& segments_;
  Waiter& waiter_;  // is told when words change their segments
  std::mutex mutex_;
  std::map<Key, Redirection> redirections_;
};

}  // namespace vmmc::internal
