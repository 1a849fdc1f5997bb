// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The frames of a capture file, at full speed or as their time stamps say: the first one at once,
// every other one so long after the one before as the stamps are apart. A stamp before its
// predecessor's, or none, is no distance.
//
// Threads: nicsim's one.
//
// Invariants: no memory is allocated for a frame. The bytes of frames stay as they are until the
// next take(), which alone moves the file's window.
#pragma once

#include <array>
#include <memory>
#include <variant>

#include "nicsim/frames/capture/capture_file.h"
#include "nicsim/frames/capture/capture_reader.h"
#include "nicsim/frames/frame_source.h"

namespace vmmc::nicsim {

class CaptureFileSource : public FrameSource {
 public:
  // Reads the file up to the description of its first interface, and waits for that much. A file
  // that ends before it is kTruncatedCapture. kBadFrameSource, kNotACapture, kCorruptCapture,
  // kOutOfMemory.
  static std::variant<std::unique_ptr<FrameSource>, wire::Status> open(
      platform::FileDescriptor file, wire::RingPace pace);

  std::size_t take(std::span<Frame> frames) override;
  std::uint64_t consumed() const override { return consumed_; }
  bool ended() const override { return ended_ && held_begin_ == held_end_; }
  // kCorruptCapture, kTruncatedCapture; kFrameSourceGone: the file cannot be read any more.
  wire::Status status() const override { return status_; }
  bool waits_for_room() const override { return pace_ == wire::RingPace::kFull; }
  std::uint16_t link_type() const override { return link_type_; }
  Clock::time_point next_time() const override;

 private:
  CaptureFileSource(capture::CaptureFile file, std::unique_ptr<capture::CaptureReader> reader,
                    wire::RingPace pace)
      : file_(std::move(file)), reader_(std::move(reader)), pace_(pace) {}

  wire::Status find_link_type();
  std::size_t parse(std::span<Frame> frames);
  bool fill(std::size_t wanted);
  void end(wire::Status status);
  void hold_more();

  static constexpr std::size_t kHeld = 64;

  capture::CaptureFile file_;
  std::unique_ptr<capture::CaptureReader> reader_;
  wire::RingPace pace_;
  std::uint16_t link_type_ = 0;
  std::uint64_t consumed_ = 0;
  bool ended_ = false;
  wire::Status status_ = wire::Status::kOk;
  Clock::time_point retry_ = Clock::time_point::max();  // after kNotNow

  // At recorded speed: frames that have been read, and when they are due.
  std::array<Frame, kHeld> held_{};
  std::array<Clock::time_point, kHeld> due_{};
  std::size_t held_begin_ = 0;
  std::size_t held_end_ = 0;
  bool started_ = false;
  Clock::time_point last_due_{};  // of the last frame that was read
  std::uint64_t last_time_ = 0;   // ns, its stamp; 0: none
};

}  // namespace vmmc::nicsim
