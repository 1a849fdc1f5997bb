// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Saves a trace's ring, which may be written to meanwhile, as a file of the same format: see
// nicsim/wire/trace_record.h.
//
// What a crash at any instruction leaves behind
//   A file that is cut off: its header comes last.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "platform/file_descriptor.h"
#include "tools/vmmcstat/exit_code.h"

namespace vmmc::stat {

// The file that a trace is to go to. One that was not there before, and gets no trace, is removed again.
class TraceFile {
 public:
  // kExitFileExists: it holds something, and `overwrite` is not set.
  static std::variant<TraceFile, Failure> open(const std::string& name, bool overwrite);
  TraceFile(TraceFile&& other) noexcept
      : file_(std::move(other.file_)),
        name_(std::move(other.name_)),
        is_new_(std::exchange(other.is_new_, false)) {}
  TraceFile& operator=(TraceFile&&) = delete;
  ~TraceFile();

  int descriptor() const { return file_.get(); }
  const std::string& name() const { return name_; }
  void keep() { is_new_ = false; }

 private:
  TraceFile(platform::FileDescriptor file, std::string name, bool is_new)
      : file_(std::move(file)), name_(std::move(name)), is_new_(is_new) {}

  platform::FileDescriptor file_;
  std::string name_;
  bool is_new_;
};

struct SavedTrace {
  std::uint64_t records = 0;      // in the file
  std::uint64_t overwritten = 0;  // before it was saved
  std::uint64_t lost = 0;         // overwritten while they were copied
};

// `ring`: as nicsim hands it out.
std::variant<SavedTrace, Failure> save_trace(int ring, TraceFile& file);

}  // namespace vmmc::stat
