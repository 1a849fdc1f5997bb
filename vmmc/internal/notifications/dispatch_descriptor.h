// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The descriptor that an event loop watches: readable while nicsim's byte is in the notification
// pipe, while the library says that there is something to dispatch, and when nicsim has gone.
//
// Of its own, because the pipe alone cannot say it: whoever empties it to be told of the next
// notification cannot put a byte back for those that are queued already.
//
// Threads and processes: start() once; set_ready() under a lock of the owner's.
#pragma once

#include <cstdint>
#include <optional>

#include "platform/file_descriptor.h"
#include "platform/result.h"

namespace vmmc::internal {

class DispatchDescriptor {
 public:
  std::optional<platform::SystemError> start(int pipe);

  int fd() const { return both_.get(); }
  // Leaves errno unchanged.
  void set_ready(bool ready);

  // In a forked child.
  void abandon() {
    both_.reset();
    ready_.reset();
  }

 private:
  platform::FileDescriptor ready_;  // eventfd
  platform::FileDescriptor both_;   // epoll over the pipe and ready_
  bool is_ready_ = false;
};

}  // namespace vmmc::internal
