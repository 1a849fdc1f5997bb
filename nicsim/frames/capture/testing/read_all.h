// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Every frame of a file that lies in memory, read as through a window of any size.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "nicsim/frames/capture/capture_reader.h"
#include "nicsim/frames/capture/testing/capture_bytes.h"

namespace vmmc::nicsim::capture::testing {

struct SeenFrame {
  std::uint64_t time;
  std::uint32_t length;
  std::uint16_t link_type;
  std::uint16_t interface;
  std::uint16_t flags;
  std::string bytes;

  bool operator==(const SeenFrame&) const = default;
};

inline SeenFrame seen(const Frame& frame) {
  return {frame.time,      frame.length, frame.link_type,
          frame.interface, frame.flags,  text_of(frame.bytes)};
}

struct Contents {
  std::vector<SeenFrame> frames;
  wire::Status status = wire::Status::kOk;  // what it ends by
};

// True: `frame` lies inside the window.
inline bool lies_inside(std::span<const std::byte> window, const Frame& frame) {
  return frame.bytes.data() >= window.data() &&
         frame.bytes.data() + frame.bytes.size() <= window.data() + window.size();
}

// The window gets as many bytes as are wanted and up to `extra` more. It is a copy of its own, so
// that a sanitizer sees what is read outside of it.
inline Contents read_all(std::span<const std::byte> file, std::size_t extra = 1000,
                         std::size_t batch = 3) {
  Contents contents;
  auto made = make_capture_reader(file.first(std::min(file.size(), kFormatBytes)));
  if (const auto* status = std::get_if<wire::Status>(&made)) {
    contents.status = *status;
    return contents;
  }
  auto& reader = *std::get<std::unique_ptr<CaptureReader>>(made);
  std::vector<Frame> frames(batch);
  std::size_t at = 0;
  std::size_t size = 0;
  for (;;) {
    const std::span<const std::byte> rest = file.subspan(std::min(at, file.size()));
    const Bytes window(rest.begin(), rest.begin() + std::min(size, rest.size()));
    const ReadStep step = reader.read(window, frames);
    REQUIRE(step.frames <= batch);
    for (std::size_t i = 0; i < step.frames; ++i) {
      REQUIRE(lies_inside(window, frames[i]));
      contents.frames.push_back(seen(frames[i]));
    }
    at += step.used;
    if (step.status != wire::Status::kOk) {
      contents.status = step.status;
      return contents;
    }
    if (step.wanted == 0) {
      REQUIRE(step.frames == batch);
      size = window.size() - std::min(step.used, window.size());
      continue;
    }
    REQUIRE(step.wanted <= kMaxRecordBytes);
    if (at >= file.size() || file.size() - at < step.wanted) {
      // Less than what is wanted: nothing at all, or a part.
      const bool whole = at == file.size() && reader.between_records();
      contents.status = whole ? wire::Status::kOk : wire::Status::kTruncatedCapture;
      return contents;
    }
    size = step.wanted + extra;
  }
}

}  // namespace vmmc::nicsim::capture::testing
