// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Carries the output of ranks and of nicsim to vmmcrun's own standard output and error, line by
// line.
//
// Threads and processes
//   One thread, a poll loop: add_to_poll(), poll(2), handle(). Nothing here blocks, even if nobody
//   reads our output, and even if the ranks fill the same pipe between poll(2) and our write(2):
//   whoever is blocked here does not see the guard die. While our output waits, the ranks' pipes
//   are not read, so that the ranks wait in write(2) as they would without vmmcrun.
// Invariants
//   Everything goes through one queue in whole lines, so no line is torn, even if standard output
//   and error are the same file.
// What a crash at any instruction leaves behind
//   Nothing but unwritten lines; the writers get SIGPIPE.
#pragma once

#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/file_descriptor.h"
#include "platform/result.h"
#include "tools/vmmcrun/output_prefixer.h"

namespace vmmc::run {

class OutputRelay {
 public:
  OutputRelay();

  // A new stream; returns the end that a child writes to. Its lines go to `target` (standard output
  // or error) with `label` before each.
  platform::Result<platform::FileDescriptor> add_stream(std::string label, int target);

  // Prints a line of vmmcrun's own on standard error.
  void say(const std::string& line);

  // Appends what to wait for.
  void add_to_poll(std::vector<pollfd>& polled);
  // Does what poll(2) found possible. The argument is the vector that add_to_poll() appended to.
  void handle(std::span<const pollfd> polled);

  // Takes in what is in the pipes now, whatever is queued already.
  void read_available();
  // No more output will come: prints unfinished last lines too.
  void finish();

  bool idle() const { return queue_.empty(); }  // everything is written

 private:
  struct Stream {
    platform::FileDescriptor pipe;
    OutputPrefixer prefixer;
    int target;
    std::size_t poll_index;
  };
  struct Piece {
    int target;
    std::string text;
    std::size_t written;
  };

  void push(int target, std::string text);
  ssize_t write_some(int target, std::string_view text) const;
  bool read_once(Stream& stream);
  void end(Stream& stream);
  void write_once();
  void give_up(int target);

  static constexpr std::size_t kNotPolled = static_cast<std::size_t>(-1);

  // Standard output and error, opened a second time so as not to block; empty if that cannot be.
  platform::FileDescriptor nonblocking_[STDERR_FILENO + 1];
  std::vector<std::unique_ptr<Stream>> streams_;
  std::deque<Piece> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t queue_poll_index_ = kNotPolled;
};

}  // namespace vmmc::run
