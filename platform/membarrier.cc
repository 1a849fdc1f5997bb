// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace vmmc::platform {
namespace {

// It cannot fail once the process is registered.
bool call(int command) {
  const int saved = errno;
  const bool done = ::syscall(SYS_membarrier, command, 0, 0) == 0;
  errno = saved;
  return done;
}

}  // namespace

bool register_for_membarriers() {
  return call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
         call(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

void fence_process() {
  call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void fence_all_processes() {
  call(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace vmmc::platform
