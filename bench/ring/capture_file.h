// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A pcap file in memory (memfd) with our frames.
#pragma once

#include <cstdint>

#include "bench/ring/tally.h"

namespace vmmc::bench {

class CaptureFile {
 public:
  CaptureFile(std::uint64_t frames, std::uint32_t bytes);
  ~CaptureFile();
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  int descriptor() const { return file_; }
  const Tally& expected() const { return expected_; }

 private:
  int file_;
  Tally expected_;
};

}  // namespace vmmc::bench
