// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/end_signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace vmmc::nicsim {
namespace {

// Blocked signals are kept on Linux even where they are ignored, as by a shell for what runs in the
// background.
int open_descriptor() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int descriptor = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  return descriptor;
}

}  // namespace

EndSignals::EndSignals(boost::asio::io_context& context)
    : descriptor_(context, open_descriptor()) {}

void EndSignals::wait(std::function<void()> asked) {
  const auto ready = [this, asked = std::move(asked)](const boost::system::error_code& error) {
    if (error) return;
    // Only now: what is not acted on any more stays pending.
    signalfd_siginfo taken;
    (void)!::read(descriptor_.native_handle(), &taken, sizeof taken);
    asked();
  };
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, ready);
}

}  // namespace vmmc::nicsim
