// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/dispatch_descriptor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace vmmc::internal {

std::optional<platform::SystemError> DispatchDescriptor::start(int pipe) {
  ready_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready_.valid()) return platform::last_system_error("eventfd");
  both_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!both_.valid()) return platform::last_system_error("epoll_create1");
  for (const int source : {pipe, ready_.get()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(both_.get(), EPOLL_CTL_ADD, source, &event) != 0) {
      return platform::last_system_error("epoll_ctl");
    }
  }
  return std::nullopt;
}

void DispatchDescriptor::set_ready(bool ready) {
  if (ready == is_ready_) return;
  is_ready_ = ready;
  const int saved = errno;
  std::uint64_t count = 1;
  (void)!(ready ? ::write(ready_.get(), &count, sizeof count)
                : ::read(ready_.get(), &count, sizeof count));
  errno = saved;
}

}  // namespace vmmc::internal
