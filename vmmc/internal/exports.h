// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The buffers that this process exports.
//
// Threads and processes
//   Any thread; one at a time but for the wait for nicsim's answer to an unexport, which takes as
//   long as other processes' transfers do. before_fork() and after_fork() hold everybody up around
//   a fork.
//
// Handlers: a notification handler may call these functions, so nobody waits for one with the mutex
//   held.
//
// Invariants
//   A buffer's pages are shared (SharedSegments) from before nicsim knows the buffer until after it
//   has forgotten it. After an error of add() nothing is exported, and the memory is as before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/notifications/notifications.h"
#include "vmmc/internal/redirections.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Exports {
 public:
  Exports(ControlConnection& connection, SharedSegments& segments, Redirections& redirections,
          Notifications& notifications, Waiter& waiter, std::uint32_t nodes)
      : connection_(connection),
        segments_(segments),
        redirections_(redirections),
        notifications_(notifications),
        waiter_(waiter),
        nodes_(nodes) {}

  // As vmmc_export and vmmc_unexport.
  int add(void* address, std::size_t length, std::uint32_t id, const vmmc_export_options& options);
  int remove(std::uint32_t id);

  // As vmmc_importers.
  int list_importers(std::uint32_t id, vmmc_identity* importers, std::size_t most,
                     std::size_t* count);

  // As vmmc_accept_notifications and vmmc_wait_notification.
  int accept_notifications(std::uint32_t id, bool accept);
  int wait_notification(std::uint32_t id, std::uint64_t timeout, vmmc_notification* notification);

  // Errors of vmmc_redirect and vmmc_end_redirection that concern the buffer.
  int check_redirection(std::uint32_t id, std::size_t offset, std::size_t length);
  int check_known(std::uint32_t id);

  // Where a buffer is; nullptr: there is none of this id.
  const std::byte* address_of(std::uint32_t id);

  // Takes all buffers back, also if nicsim has gone. REQUIRES: notifications are blocked, as a handler
  // that runs may be in the middle of an export or unexport.
  void remove_all();

  void before_fork() { mutex_.lock(); }
  void after_fork() { mutex_.unlock(); }

 private:
  struct Buffer {
    std::uintptr_t address;
    std::size_t length;
    bool redirectable;
    std::uint64_t cookie = 0;  // of its handler; 0: none
    bool closing = false;      // an unexport is under way
    bool lendable = false;     // importers may have been given the pages themselves
  };

  std::map<std::uint32_t, Buffer>::iterator find(std::uint32_t id);
  int check(std::uintptr_t address, std::size_t length, std::uint32_t id) const;
  int check_options(const vmmc_export_options& options) const;
  int add_buffer(const Buffer& buffer, std::uint32_t id, const vmmc_export_options& options);
  int release(std::uint32_t id, const Buffer& buffer, bool lent);
  int register_buffer(const SharedSegments::Cover& cover, const Buffer& buffer, std::uint32_t id,
                      const vmmc_export_options& options);
  void forget(std::map<std::uint32_t, Buffer>::iterator buffer);
  int find_cookie(std::uint32_t id, std::uint64_t* cookie);

  ControlConnection& connection_;
  SharedSegments& segments_;
  Redirections& redirections_;
  Notifications& notifications_;
  Waiter& waiter_;  // is told when words change their segments
  const std::uint32_t nodes_;
  std::mutex mutex_;
  std::map<std::uint32_t, Buffer> buffers_;             // by id
  std::map<std::uintptr_t, std::uint32_t> by_address_;  // of all buffers: their ids
};

}  // namespace vmmc::internal
