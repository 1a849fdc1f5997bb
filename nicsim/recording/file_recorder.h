// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Writes a recording (format.h) to a file.
//
// Threads: used by nicsim's one thread. A record costs a copy of 64 bytes; every 64 KiB, and when nothing
// else is to be done, they are handed to the kernel.
//
// Errors: a file that cannot be written (a full disk) ends the recording, and the log says so once; the
// run goes on, and the file has no end.
//
// What a crash at any instruction leaves behind: a file without its end, with everything that was written
// up to the last pause; its last record may be incomplete.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "nicsim/recording/format.h"
#include "nicsim/recording/recorder.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim::recording {

// A file to record to, or in one line why it cannot be: a regular file, which exists already only if it is
// empty or if `overwrite`. Nothing in it is changed yet.
std::variant<platform::FileDescriptor, std::string> open_recording(const std::string& path,
                                                                   bool overwrite);

class FileRecorder final : public Recorder {
 public:
  // Empties the file and writes the header; `path` is for messages.
  FileRecorder(platform::FileDescriptor file, std::string path, std::uint32_t rows,
               std::uint32_t columns);
  // Writes the end.
  ~FileRecorder() override;
  FileRecorder(const FileRecorder&) = delete;
  FileRecorder& operator=(const FileRecorder&) = delete;

  void attached(const Process& process) override;
  void left(const Process& process) override;
  void exported(const ExportedBuffer& buffer) override;
  void unexported(const ExportedBuffer& buffer) override;
  void imported(const Process& process, std::uint32_t slot, const ExportedBuffer& buffer) override;
  void unimported(const Process& process, std::uint32_t slot) override;
  void taken(const Process& process, const Transfer& transfer) override;
  void marked(const Process& process, const wire::MarkOperands& mark) override;
  void pause() override;

  // Whether everything could be written so far.
  bool intact() const { return intact_; }

 private:
  Record begin(RecordKind kind, const Process& process);
  void add(const Record& record);
  void write_out();
  std::uint64_t number_of(const Process& process) const { return numbers_.at(&process); }

  platform::FileDescriptor file_;
  const std::string path_;
  const std::uint64_t began_;
  std::uint64_t records_ = 0;
  bool intact_ = true;
  std::uint32_t next_number_ = 0;
  std::unordered_map<const Process*, std::uint32_t> numbers_;
  std::vector<std::byte> kept_back_;
};

}  // namespace vmmc::nicsim::recording
