// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Finds the frames in the bytes of a capture file, pcap or pcapng, window by window. It touches no
// file: who reads it hands over the bytes that come next.
//
//   window   [ record | record | record | rec ...      bytes that the file has next
//             ------------ used ------->               done with: the next window begins here
//                                      -- wanted -->   what the next window must hold at least
//
// Threads: one.
//
// Invariants: every frame given lies inside the window. No length in the file is believed before it
// has been compared with the window and with kMaxFrameBytes. A frame needs no allocation; only the
// description of an interface does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>

#include "nicsim/frames/frame_source.h"
#include "nicsim/wire/frame_ring.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim::capture {

// A block that must be understood is no longer than this; a frame and as much again for options.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{2} * wire::kMaxFrameBytes;

// What must be at hand of a file, if it is not shorter, to tell its format.
inline constexpr std::size_t kFormatBytes = 24;

struct ReadStep {
  std::size_t frames = 0;  // given
  std::size_t used = 0;    // may pass the window's end: so many bytes behind it are skipped, too
  std::size_t wanted = 0;  // 0: `frames` is full, or the status is not kOk; <= kMaxRecordBytes
  wire::Status status = wire::Status::kOk;  // kCorruptCapture: behind the frames given
};

class CaptureReader {
 public:
  virtual ~CaptureReader() = default;

  // The next frames. Their bytes refer to the window.
  virtual ReadStep read(std::span<const std::byte> window, std::span<Frame> frames) = 0;

  // Whether the file may end with what was used.
  virtual bool between_records() const = 0;

  // Of the first interface; nothing: its description has not been read yet.
  virtual std::optional<std::uint16_t> link_type() const = 0;
};

// For a file that begins with these bytes. kNotACapture; kTruncatedCapture: the file is one, but
// `first` ends inside its first header; kCorruptCapture.
std::variant<std::unique_ptr<CaptureReader>, wire::Status> make_capture_reader(
    std::span<const std::byte> first);

}  // namespace vmmc::nicsim::capture
