// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/capture_file_source.h"

#include <algorithm>
#include <utility>

namespace vmmc::nicsim {
namespace {

using capture::CaptureFile;
using capture::ReadStep;

constexpr std::chrono::milliseconds kRetry{1};
// That one take() makes: blocks that are no frames must not keep it busy for the length of a file.
constexpr int kMostReads = 2;
// Behind which no description of an interface is looked for.
constexpr std::size_t kMostBeforeInterface = 4u << 20;
// A hundred years: the due time of a frame stays far below the end of the clock.
constexpr std::uint64_t kLongestDistance = 3'155'760'000'000'000'000;

}  // namespace

std::variant<std::unique_ptr<FrameSource>, wire::Status> CaptureFileSource::open(
    platform::FileDescriptor file, wire::RingPace pace) {
  auto opened = CaptureFile::open(std::move(file));
  if (const auto* status = std::get_if<wire::Status>(&opened)) return *status;
  CaptureFile& capture = std::get<CaptureFile>(opened);
  while (capture.window().size() < capture::kFormatBytes) {
    const CaptureFile::Fill fill = capture.fill_first(capture::kFormatBytes);
    if (fill == CaptureFile::Fill::kFailed) return wire::Status::kBadFrameSource;
    if (fill == CaptureFile::Fill::kEnd || fill == CaptureFile::Fill::kCutOff) break;
  }
  auto reader = capture::make_capture_reader(capture.window());
  if (const auto* status = std::get_if<wire::Status>(&reader)) return *status;
  std::unique_ptr<CaptureFileSource> source(new CaptureFileSource(
      std::move(capture), std::get<std::unique_ptr<capture::CaptureReader>>(std::move(reader)),
      pace));
  if (const wire::Status status = source->find_link_type(); status != wire::Status::kOk) {
    return status;
  }
  return source;
}

wire::Status CaptureFileSource::find_link_type() {
  for (std::size_t used = 0; used < kMostBeforeInterface;) {
    const ReadStep step = reader_->read(file_.window(), {});
    file_.use(step.used);
    used += step.used;
    if (const auto type = reader_->link_type()) {
      link_type_ = *type;
      // What is wrong behind it is found again by take().
      if (step.status != wire::Status::kOk) end(step.status);
      return wire::Status::kOk;
    }
    // A frame before any interface is no better than damage.
    if (step.wanted == 0) return wire::Status::kCorruptCapture;
    const CaptureFile::Fill fill = file_.fill_first(step.wanted);
    if (fill == CaptureFile::Fill::kFailed) return wire::Status::kBadFrameSource;
    if (fill == CaptureFile::Fill::kEnd || fill == CaptureFile::Fill::kCutOff) {
      return wire::Status::kTruncatedCapture;
    }
  }
  return wire::Status::kCorruptCapture;
}

void CaptureFileSource::end(wire::Status status) {
  ended_ = true;
  status_ = status;
}

// True: there are more bytes.
bool CaptureFileSource::fill(std::size_t wanted) {
  retry_ = Clock::time_point::max();
  switch (file_.fill(wanted)) {
    case CaptureFile::Fill::kMore:
      return true;
    case CaptureFile::Fill::kNotNow:
      retry_ = Clock::now() + kRetry;
      return false;
    case CaptureFile::Fill::kEnd:
      end(file_.window().empty() && reader_->between_records() ? wire::Status::kOk
                                                               : wire::Status::kTruncatedCapture);
      return false;
    case CaptureFile::Fill::kCutOff:
      end(wire::Status::kTruncatedCapture);
      return false;
    case CaptureFile::Fill::kFailed:
      break;
  }
  end(wire::Status::kFrameSourceGone);
  return false;
}

// The next frames of the file; none: it has ended, or has none now, or none for a long stretch.
std::size_t CaptureFileSource::parse(std::span<Frame> frames) {
  for (int reads = 0; !ended_ && reads <= kMostReads; ++reads) {
    const std::size_t before = file_.window().size();
    const ReadStep step = reader_->read(file_.window(), frames);
    consumed_ += std::min(step.used, before);  // what it skips behind the window is not read
    file_.use(step.used);
    if (step.status != wire::Status::kOk) end(step.status);
    if (step.frames > 0) return step.frames;
    if (ended_ || !fill(step.wanted)) return 0;
  }
  return 0;
}

void CaptureFileSource::hold_more() {
  held_begin_ = 0;
  held_end_ = parse(held_);
  if (held_end_ > 0 && !std::exchange(started_, true)) last_due_ = Clock::now();
  for (std::size_t i = 0; i < held_end_; ++i) {
    const std::uint64_t time = held_[i].time;
    const std::uint64_t distance = last_time_ != 0 && time > last_time_ ? time - last_time_ : 0;
    const auto room = std::chrono::nanoseconds(Clock::time_point::max() - last_due_) / 2;
    last_due_ += std::min(std::chrono::nanoseconds(std::min(distance, kLongestDistance)), room);
    due_[i] = last_due_;
    last_time_ = time;
  }
}

std::size_t CaptureFileSource::take(std::span<Frame> frames) {
  consumed_ = 0;
  if (frames.empty()) return 0;
  if (pace_ == wire::RingPace::kFull) return parse(frames);
  if (held_begin_ == held_end_) hold_more();
  const Clock::time_point now = Clock::now();
  std::size_t given = 0;
  while (given < frames.size() && held_begin_ < held_end_ && due_[held_begin_] <= now) {
    frames[given++] = held_[held_begin_++];
  }
  return given;
}

FrameSource::Clock::time_point CaptureFileSource::next_time() const {
  return held_begin_ < held_end_ ? due_[held_begin_] : retry_;
}

}  // namespace vmmc::nicsim
