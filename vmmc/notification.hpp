// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: notifications in C++ (vmmc/notification.h). Programs include vmmc/vmmc.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmmc/notification.h"
#include "vmmc/result.hpp"

namespace vmmc {

using notification = vmmc_notification;

// While one lives, no handler of the process starts (vmmc_block_notifications).
class notifications_blocked {
 public:
  notifications_blocked() { vmmc_block_notifications(); }
  ~notifications_blocked() { vmmc_unblock_notifications(); }
  notifications_blocked(const notifications_blocked&) = delete;
  notifications_blocked& operator=(const notifications_blocked&) = delete;
};

// How many handlers ran (vmmc_dispatch); most == 0: all that are queued now.
inline result<std::size_t> dispatch(std::size_t most = 0) {
  const int ran = vmmc_dispatch(most);
  if (ran < 0) return to_result(ran).error();
  return static_cast<std::size_t>(ran);
}

inline result<void> accept_notifications(std::uint32_t buffer_id, bool accept) {
  return to_result(vmmc_accept_notifications(buffer_id, accept ? 1 : 0));
}

// Takes the next notification of a buffer in place of its handler (vmmc_wait_notification).
inline result<notification> wait_notification(std::uint32_t buffer_id,
                                              std::chrono::nanoseconds timeout = forever) {
  notification taken{};
  const auto done = to_result(vmmc_wait_notification(buffer_id, timeout_of(timeout), &taken));
  if (!done) return done.error();
  return taken;
}

}  // namespace vmmc
