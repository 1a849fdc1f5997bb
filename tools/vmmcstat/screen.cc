// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/screen.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace vmmc::stat {
namespace {

volatile std::sig_atomic_t told_to_quit = 0;
volatile std::sig_atomic_t resized = 0;

void note_signal(int number) { (number == SIGWINCH ? resized : told_to_quit) = 1; }

sigset_t noted_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) ::sigaddset(&signals, number);
  return signals;
}

// The alternate screen, and a cursor that is not seen; and back.
constexpr const char* kEnter = "\033[?1049h\033[?25l";
constexpr const char* kLeave = "\033[?25h\033[?1049l";

}  // namespace

bool Screen::is_there() { return ::isatty(STDOUT_FILENO) == 1; }

Screen::Screen() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
    ::sigaction(number, &action, nullptr);
  }
  // They come while wait() waits, and never between a look at the flags and the wait.
  const sigset_t signals = noted_signals();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  has_keys_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
  if (has_keys_) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  std::fputs(kEnter, stdout);
  std::fflush(stdout);
}

Screen::~Screen() {
  std::fputs(kLeave, stdout);
  std::fflush(stdout);
  if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Screen::Size Screen::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
    return {24, 80};
  }
  return {size.ws_row, size.ws_col};
}

void Screen::show(const std::vector<std::string>& lines) const {
  std::string text = "\033[H";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += "\r\n";
    text += lines[i] + "\033[K";  // what was right of it
  }
  text += "\033[J";  // what was below
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int Screen::wait(std::chrono::nanoseconds time) {
  sigset_t none;
  ::sigemptyset(&none);
  const timespec patience{static_cast<time_t>(time.count() / 1'000'000'000),
                          static_cast<long>(time.count() % 1'000'000'000)};
  pollfd keys{has_keys_ ? STDIN_FILENO : -1, POLLIN, 0};
  const int ready = ::ppoll(&keys, 1, &patience, &none);
  if (told_to_quit != 0) return kQuit;
  if (resized != 0) {
    resized = 0;
    return kResized;
  }
  if (ready <= 0) return kNothing;
  char key = 0;
  const ssize_t count = ::read(STDIN_FILENO, &key, 1);
  if (count < 0 && errno == EINTR) return kNothing;
  return count == 1 && key != 0 ? key : kQuit;  // the terminal has gone
}

}  // namespace vmmc::stat
