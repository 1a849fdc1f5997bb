// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A program on a terminal of its own (a pty), and what stands on its screen. Knows the few control
// sequences that vmmcstat uses; a line that does not fit is an error, as a real terminal would wrap it.
#pragma once

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include <functional>
#include <string>
#include <vector>

namespace vmmc::testing {

class Terminal {
 public:
  // Runs `arguments`, the first of which is the program.
  Terminal(const std::vector<std::string>& arguments, unsigned short rows, unsigned short columns);
  ~Terminal();  // kills it
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const;
  void resize(unsigned short rows, unsigned short columns);
  // Reads until the screen is so; false: not within 20 s, or the program has ended.
  bool wait_for(const std::function<bool(const Terminal&)>& so);
  bool wait_for(const std::string& text);
  // Reads until the program has ended; its exit code.
  int finish();

  const std::vector<std::string>& lines() const { return screen_; }
  bool shows(const std::string& text) const;
  bool alternate() const { return alternate_; }  // the screen that a program leaves again
  bool cursor_is_seen() const { return cursor_; }
  bool wrapped() const { return wrapped_; }  // a line did not fit, or there were too many
  void forget_wrapping() { wrapped_ = false; }
  int pictures() const { return pictures_; }
  termios settings() const;
  const std::string& plain() const { return plain_; }  // what came on the ordinary screen

 private:
  bool read_more(int patience_ms);
  void take(char letter);
  void control(const std::string& sequence);

  int master_ = -1;
  int slave_ = -1;  // kept open, so that its settings can be read at the end
  pid_t child_ = -1;
  std::size_t rows_;
  std::size_t columns_;
  std::vector<std::string> screen_;
  std::size_t row_ = 0;
  std::string sequence_;  // under way
  std::string plain_;
  bool alternate_ = false;
  bool cursor_ = true;
  bool wrapped_ = false;
  int pictures_ = 0;
};

}  // namespace vmmc::testing
