// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/end_signals.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using vmmc::nicsim::EndSignals;

namespace {

bool is_pending(int number) {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, number) == 1;
}

// What one nicsim does: listens until it is asked to end.
struct Listener {
  boost::asio::io_context context{1};
  EndSignals signals{context};
  int asked = 0;

  Listener() {
    signals.wait([this] { ++asked; });
  }
};

}  // namespace

TEST_CASE("each of the two signals asks, once") {
  for (const int number : {SIGTERM, SIGINT}) {
    Listener listener;
    listener.context.poll();
    CHECK(listener.asked == 0);
    ::raise(number);
    listener.context.restart();
    listener.context.poll();
    CHECK(listener.asked == 1);
    CHECK_FALSE(is_pending(number));
  }
}

TEST_CASE("a signal that nobody has acted on is the next one's") {
  for (const int number : {SIGTERM, SIGINT}) {
    {
      Listener first;
      ::raise(number);
      first.context.stop();  // as nicsim does that is to start itself anew
      first.context.poll();
      CHECK(first.asked == 0);
    }
    CHECK(is_pending(number));  // and has not ended us
    Listener second;
    second.context.poll();
    CHECK(second.asked == 1);
  }
}

TEST_CASE("a signal that comes while nobody listens waits, also where it is ignored") {
  { const Listener gone; }
  ::signal(SIGINT, SIG_IGN);
  ::raise(SIGINT);
  Listener listener;
  listener.context.poll();
  CHECK(listener.asked == 1);
  ::signal(SIGINT, SIG_DFL);
}

TEST_CASE("it is pending still in the program that takes our place") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    { const Listener gone; }
    ::raise(SIGTERM);
    // SIGTERM is bit 14 of the mask: 0x4000.
    ::execl("/bin/grep", "grep", "-q", "^ShdPnd:.*[4567cdef]...$\\|^SigPnd:.*[4567cdef]...$",
            "/proc/self/status", nullptr);
    ::_exit(9);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
