// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A window that moves over a file once, from its first byte on, whatever the position of its
// descriptor. The bytes are read, not mapped: a file that is cut off meanwhile does no harm.
//
// Threads and processes: one thread, which is not made to wait for storage: what is not in the page
// cache yet is asked for, and is kNotNow. Where the file system cannot tell, and in fill_first(), a
// read waits. Others may write to the file meanwhile, make it longer or shorter: each byte is read
// once.
//
// Invariants: nothing is read behind the size that the file says it has (files that are endless or
// wait for somebody say 0). No memory is allocated after the making.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>

#include "nicsim/frames/capture/capture_reader.h"
#include "nicsim/wire/status.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim::capture {

class CaptureFile {
 public:
  enum class Fill {
    kMore,    // the window has more bytes than before
    kNotNow,  // they are not in memory yet: ask again in a millisecond or so
    kEnd,     // the file has no more, for now
    kCutOff,  // the file has become shorter than what it once said
    kFailed,  // it cannot be read any more
  };

  // kBadFrameSource: not a regular file, not open for reading, or on a file system that asks
  // another process; kOutOfMemory. Asking which one that is may itself wait for that process, and
  // one stacked on such a file system is not told from others.
  static std::variant<CaptureFile, wire::Status> open(platform::FileDescriptor file);

  // What has been read and not yet been used.
  std::span<const std::byte> window() const { return {buffer_.get() + begin_, end_ - begin_}; }

  // Done with so many bytes; those that pass the window's end are never read.
  void use(std::size_t bytes);

  // One read, with which the window gets more bytes: if possible as many as it lacks to have
  // `wanted`, which is more than it has and at most kMaxRecordBytes. Moves the window.
  Fill fill(std::size_t wanted);

  // As fill(), but waits for storage.
  Fill fill_first(std::size_t wanted);

 private:
  explicit CaptureFile(platform::FileDescriptor file, std::unique_ptr<std::byte[]> buffer)
      : file_(std::move(file)), buffer_(std::move(buffer)) {}

  Fill fill_some(std::size_t wanted, bool may_wait);
  bool refresh_size();
  std::int64_t read_some(std::byte* bytes, std::size_t length);
  void ask_ahead();
  Fill not_there();

  platform::FileDescriptor file_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;  // in the file, of the buffer's end_
  std::uint64_t size_ = 0;    // that it had when it was last asked
  std::uint64_t asked_ = 0;   // the kernel has been asked to read up to here; 0: never
  unsigned refusals_ = 0;     // in a row
  bool nowait_ = true;        // the file system can say kNotNow
};

}  // namespace vmmc::nicsim::capture
