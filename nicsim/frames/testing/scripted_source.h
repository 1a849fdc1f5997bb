// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: a source of numbered frames whose test says when there are some.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "nicsim/frames/frame_source.h"
#include "nicsim/frames/testing/numbered_frames.h"

namespace vmmc::nicsim::testing {

// What the test holds of a source.
struct Script {
  std::uint64_t available = 0;  // frames until now
  bool ends = false;            // there will never be more
  wire::Status status = wire::Status::kOk;
  bool waits = true;
  std::uint64_t lost = 0;
  int descriptor = -1;
  std::function<FrameSource::Clock::time_point()> next_time = [] {
    return FrameSource::Clock::time_point::max();
  };
  std::size_t length = NumberedFrames::kLeast;
  std::uint64_t consumed = 0;  // by each take()
  std::uint64_t taken = 0;
  std::atomic<int> takes = 0;  // may be read by another thread than nicsim's
  bool alive = false;
};

class ScriptedSource final : public FrameSource {
 public:
  explicit ScriptedSource(Script& script) : script_(script) { script.alive = true; }
  ~ScriptedSource() override { script_.alive = false; }

  std::size_t take(std::span<Frame> frames) override {
    ++script_.takes;
    numbers_.clear();
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(frames.size(), script_.available - script_.taken));
    for (std::size_t i = 0; i < count; ++i) {
      frames[i] = numbers_.make(script_.taken++, 0, script_.length);
    }
    return count;
  }
  std::uint64_t consumed() const override { return script_.consumed; }
  bool ended() const override { return script_.ends; }
  wire::Status status() const override { return script_.status; }
  bool waits_for_room() const override { return script_.waits; }
  std::uint64_t lost() override { return script_.lost; }
  std::uint16_t link_type() const override { return 1; }
  int descriptor() const override { return script_.descriptor; }
  Clock::time_point next_time() const override { return script_.next_time(); }

 private:
  Script& script_;
  NumberedFrames numbers_;
};

}  // namespace vmmc::nicsim::testing
