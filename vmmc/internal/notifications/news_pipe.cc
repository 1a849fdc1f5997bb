// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/news_pipe.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace vmmc::internal {

std::optional<platform::SystemError> NewsPipe::start() {
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return platform::last_system_error("eventfd");
  return std::nullopt;
}

void NewsPipe::announce_to_followers() {
  news_.fetch_add(1, std::memory_order_seq_cst);
  if (followers_.load(std::memory_order_seq_cst) != 0) platform::futex_wake(news_);
  if (simulated()) time_->wake(wire::kWakeOnNotification);
}

void NewsPipe::announce() {
  announce_to_followers();
  if (!watched_.load(std::memory_order_seq_cst)) return;
  const int saved = errno;
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  errno = saved;
}

void NewsPipe::announce_end() {
  announce();
  if (simulated()) time_->wake_at_once(wire::kWakeOnNotification);
}

bool NewsPipe::drain() {
  const int saved = errno;
  char bytes[64];
  bool found = false;
  for (;;) {
    const ssize_t got = ::read(pipe_.get(), bytes, sizeof bytes);
    if (got == 0 && !hung_up_.exchange(true, std::memory_order_acq_rel)) found = true;
    if (got > 0) found = true;
    if (got >= 0 && got < static_cast<ssize_t>(sizeof bytes)) break;
    if (got < 0 && errno != EINTR) break;
  }
  errno = saved;
  return found;
}

void NewsPipe::park(std::uint32_t news, std::uint64_t timeout) {
  time_->park({.reasons = wire::kWakeOnNotification,
               .wait = SimulatedTime::end_of(0, timeout),
               .word = &news_,
               .expected = news});
}

void NewsPipe::poll(std::uint64_t timeout) {
  const int saved = errno;
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(timeout / 1'000'000'000);
  limit.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
  pollfd sources[] = {{pipe_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  (void)::ppoll(sources, 2, timeout == UINT64_MAX ? nullptr : &limit, nullptr);
  if ((sources[1].revents & POLLIN) != 0) {
    std::uint64_t rings = 0;
    (void)!::read(wake_.get(), &rings, sizeof rings);
  }
  errno = saved;
}

}  // namespace vmmc::internal
