// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A capture file on disk, without a name.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string>

#include "platform/file_descriptor.h"

namespace vmmc::nicsim::capture::testing {

class CaptureOnDisk {
 public:
  explicit CaptureOnDisk(std::span<const std::byte> bytes) {
    const char* directory = std::getenv("TEST_TMPDIR");
    std::string name = std::string(directory != nullptr ? directory : "/tmp") + "/captureXXXXXX";
    file_.reset(::mkstemp(name.data()));
    REQUIRE(file_.valid());
    reading_.reset(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    ::unlink(name.c_str());
    append(bytes);
  }

  void append(std::span<const std::byte> bytes) {
    const off_t end = ::lseek(file_.get(), 0, SEEK_END);
    REQUIRE(::pwrite(file_.get(), bytes.data(), bytes.size(), end) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void cut(std::size_t size) { REQUIRE(::ftruncate(file_.get(), static_cast<off_t>(size)) == 0); }

  platform::FileDescriptor for_reading() const {
    return platform::FileDescriptor(::dup(reading_.get()));
  }

 private:
  platform::FileDescriptor file_;
  platform::FileDescriptor reading_;
};

}  // namespace vmmc::nicsim::capture::testing
