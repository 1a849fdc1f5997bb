// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Where the output goes: bytes are collected and written in large pieces.
//
// What a crash at any instruction leaves behind: the first part of the output. If the system refuses to
// write, the output's file is removed: no half of a file is left that looks like a whole one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "platform/file_descriptor.h"
#include "tools/vmmctrace/exit_code.h"

namespace vmmc::trace_tool {

class Sink {
 public:
  // "-" is standard output. Refused: a file that is not empty, unless it is to be overwritten; `input` itself,
  // always.
  static std::variant<Sink, Failure> open(const std::string& path, const std::string& input,
                                          bool overwrite);

  // The buffer; appenders add to it, and call flush_if_full() now and then.
  std::string& text() { return text_; }
  void flush_if_full() {
    if (text_.size() >= kEnough) flush();
  }
  // After the last byte: whether everything has been written.
  std::optional<Failure> close();

 private:
  static constexpr std::size_t kEnough = 1 << 16;  // bytes

  Sink(std::string path, platform::FileDescriptor file, bool removable)
      : path_(std::move(path)), file_(std::move(file)), removable_(removable) {}
  void flush();

  std::string path_;
  platform::FileDescriptor file_;
  bool removable_;  // a regular file of ours
  std::string text_;
  int error_ = 0;  // errno of the first write that failed
};

}  // namespace vmmc::trace_tool
