// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The terminal, as a screen that is drawn again and again, and its keys.
//
// Threads: one. While it lives SIGINT, SIGTERM and SIGHUP are answered by Key::kQuit, SIGWINCH by kResized.
//
// What a crash at any instruction leaves behind
//   A terminal that shows no keys that are typed; `reset` helps.
#pragma once

#include <termios.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace vmmc::stat {

class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Whether standard output is a terminal.
  static bool is_there();

  struct Size {
    std::size_t rows;
    std::size_t columns;
  };
  Size size() const;
  void show(const std::vector<std::string>& lines) const;  // cut to size() already

  static constexpr int kNothing = 0;
  static constexpr int kQuit = -1;
  static constexpr int kResized = -2;
  // The next key (a character), kQuit, kResized; kNothing: the time has passed.
  int wait(std::chrono::nanoseconds time);

 private:
  termios before_{};
  bool has_keys_ = false;
};

}  // namespace vmmc::stat
