// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Takes frames from a stream, filters them, prints or writes them, until the stream ends, the count is reached, or
// somebody asks for the end.
//
// Threads: one.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>

#include "tools/vmmcdump/frame_filter.h"
#include "tools/vmmcdump/frame_stream.h"
#include "tools/vmmcdump/packet_file.h"
#include "tools/vmmcdump/status_line.h"

namespace vmmc::dump {

struct CaptureOptions {
  FrameFilter* filter = nullptr;  // nullptr: every frame
  PacketFile* file = nullptr;     // nullptr: none
  std::FILE* lines = nullptr;     // where a line for each frame goes; nullptr: nowhere
  bool hex = false;
  std::FILE* live = nullptr;  // a terminal for the live figures; nullptr: none
  std::uint64_t count = UINT64_MAX;
};

struct CaptureEnd {
  int status =
      VMMC_OK;  // VMMC_OK: somebody asked for it; VMMC_END, or what the stream has ended by
  bool output_failed = false;  // `lines`, or `file`, whose close() says why
  Progress progress;
};

CaptureEnd capture(FrameStream& stream, const CaptureOptions& options,
                   const std::atomic<bool>& stop);

}  // namespace vmmc::dump
