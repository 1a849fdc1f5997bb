// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/vmmcstat/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace vmmc::testing {
namespace {

constexpr std::chrono::seconds kPatience{20};

// Columns, of UTF-8.
std::size_t columns_of(const std::string& text) {
  std::size_t count = 0;
  for (const char letter : text) count += (letter & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace

Terminal::Terminal(const std::vector<std::string>& arguments, unsigned short rows,
                   unsigned short columns)
    : rows_(rows), columns_(columns), screen_(rows) {
  winsize size{rows, columns, 0, 0};
  if (::openpty(&master_, &slave_, nullptr, nullptr, &size) != 0) {
    throw std::runtime_error("openpty");
  }
  ::fcntl(master_, F_SETFD, FD_CLOEXEC);
  child_ = ::fork();
  if (child_ != 0) return;
  ::login_tty(::dup(slave_));
  ::setenv("TERM", "xterm", 1);
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

Terminal::~Terminal() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(slave_);
  ::close(master_);
}

void Terminal::type(const std::string& keys) const {
  (void)!::write(master_, keys.data(), keys.size());
}

void Terminal::resize(unsigned short rows, unsigned short columns) {
  winsize size{rows, columns, 0, 0};
  ::ioctl(master_, TIOCSWINSZ, &size);
  // What was written before was meant for the old size.
  while (read_more(0)) {
  }
  rows_ = rows;
  columns_ = columns;
  screen_.resize(rows);
  row_ = std::min(row_, rows_ - 1);
}

bool Terminal::wait_for(const std::function<bool(const Terminal&)>& so) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (so(*this)) return true;
    if (!read_more(100) && child_ < 0) return so(*this);
  }
  return false;
}

bool Terminal::wait_for(const std::string& text) {
  return wait_for([&](const Terminal& terminal) { return terminal.shows(text); });
}

int Terminal::finish() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  int status = -1;
  while (std::chrono::steady_clock::now() < end) {
    while (read_more(50)) {
    }
    if (::waitpid(child_, &status, WNOHANG) != child_) continue;
    child_ = -1;
    while (read_more(0)) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return -1;
}

bool Terminal::shows(const std::string& text) const {
  for (const std::string& line : screen_) {
    if (line.find(text) != line.npos) return true;
  }
  return false;
}

termios Terminal::settings() const {
  termios settings{};
  ::tcgetattr(slave_, &settings);
  return settings;
}

bool Terminal::read_more(int patience_ms) {
  pollfd poll{master_, POLLIN, 0};
  if (::poll(&poll, 1, patience_ms) != 1) return false;
  char buffer[4096];
  const ssize_t count = ::read(master_, buffer, sizeof buffer);
  for (ssize_t i = 0; i < count; ++i) take(buffer[i]);
  return count > 0;
}

void Terminal::take(char letter) {
  if (!sequence_.empty()) {
    sequence_ += letter;
    const bool ends = sequence_.size() > 2 && letter >= '@' && letter <= '~';
    if (ends) control(std::exchange(sequence_, ""));
  } else if (letter == '\033') {
    sequence_ = letter;
  } else if (!alternate_) {
    plain_ += letter;
  } else if (letter == '\n') {
    if (++row_ >= rows_) {
      wrapped_ = true;
      row_ = rows_ - 1;
    }
    screen_[row_].clear();
  } else if (letter != '\r') {
    screen_[row_] += letter;
    if (columns_of(screen_[row_]) > columns_) wrapped_ = true;
  }
}

void Terminal::control(const std::string& sequence) {
  if (sequence == "\033[H") {
    row_ = 0;
    screen_[0].clear();
  } else if (sequence == "\033[J") {
    for (std::size_t row = row_ + 1; row < screen_.size(); ++row) screen_[row].clear();
    ++pictures_;
  } else if (sequence == "\033[?1049h" || sequence == "\033[?1049l") {
    alternate_ = sequence.back() == 'h';
  } else if (sequence == "\033[?25h" || sequence == "\033[?25l") {
    cursor_ = sequence.back() == 'h';
  }
}

}  // namespace vmmc::testing
