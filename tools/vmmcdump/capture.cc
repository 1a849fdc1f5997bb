// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/capture.h"

#include <chrono>
#include <string>

#include "tools/vmmcdump/summary.h"

namespace vmmc::dump {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kNap = 100'000'000;     // ns until it is looked whether the end is wanted
constexpr std::chrono::seconds kLook{1};        // between two live lines
constexpr std::uint64_t kFramesPerLook = 4096;  // between two looks at the clock
constexpr std::size_t kEnoughText = 1 << 16;

class Capture {
 public:
  Capture(FrameStream& stream, const CaptureOptions& options)
      : stream_(stream), options_(options) {}

  CaptureEnd run(const std::atomic<bool>& stop) {
    while (!stop && !end_.output_failed && end_.progress.captured < options_.count) {
      const vmmc_frame* frame = nullptr;
      int status = stream_.next(frame, 0);
      if (status == VMMC_ERR_TIMEOUT) {
        // Who reads the lines while nothing comes sees all of them.
        write_text();
        status = stream_.next(frame, kNap);
        if (status == VMMC_ERR_TIMEOUT) write_file();
        look();
      }
      if (status == VMMC_OK) {
        take(*frame);
      } else if (status != VMMC_ERR_TIMEOUT) {
        end_.status = status;
        break;
      }
    }
    write_text();
    write_file();
    if (options_.live != nullptr && shown_) std::fputs("\r\033[K", options_.live);
    end_.progress.ring = stream_.counters();
    return end_;
  }

 private:
  void take(const vmmc_frame& frame) {
    const WholeFrame whole = bytes_.of(frame);
    if (++seen_ % kFramesPerLook == 0) look();
    if (options_.filter != nullptr && !options_.filter->matches(whole)) {
      ++end_.progress.filtered;
      if (options_.file != nullptr) options_.file->leave_out(frame);
      return;
    }
    ++end_.progress.captured;
    end_.progress.bytes += whole.bytes.size();
    if (options_.file != nullptr) {
      options_.file->add(frame, whole);
      end_.output_failed = !options_.file->works();
    }
    if (options_.lines != nullptr) {
      append_summary(text_, whole);
      if (options_.hex) append_hex(text_, whole);
      if (text_.size() >= kEnoughText) write_text();
    }
  }

  void write_text() {
    if (text_.empty()) return;
    const bool written =
        std::fwrite(text_.data(), 1, text_.size(), options_.lines) == text_.size() &&
        std::fflush(options_.lines) == 0;
    if (!written) end_.output_failed = true;
    text_.clear();
  }

  void write_file() {
    if (options_.file != nullptr && !options_.file->flush()) end_.output_failed = true;
  }

  void look() {
    const Clock::time_point now = Clock::now();
    if (now - looked_ < kLook) return;
    write_file();
    if (options_.live != nullptr) {
      end_.progress.ring = stream_.counters();
      const double seconds = std::chrono::duration<double>(now - looked_).count();
      const std::string line = live_line(before_, end_.progress, seconds);
      std::fprintf(options_.live, "\r%s\033[K", line.c_str());
      std::fflush(options_.live);
      shown_ = true;
      before_ = end_.progress;
    }
    looked_ = now;
  }

  FrameStream& stream_;
  const CaptureOptions& options_;
  CaptureEnd end_;
  FrameBytes bytes_;
  std::string text_;
  std::uint64_t seen_ = 0;
  Clock::time_point looked_ = Clock::now();
  Progress before_;
  bool shown_ = false;
};

}  // namespace

CaptureEnd capture(FrameStream& stream, const CaptureOptions& options,
                   const std::atomic<bool>& stop) {
  return Capture(stream, options).run(stop);
}

}  // namespace vmmc::dump
