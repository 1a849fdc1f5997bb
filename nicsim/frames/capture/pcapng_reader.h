// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// pcapng, major version 1: sections, each in a byte order and with interfaces of its own.
// Understood are section headers, descriptions of interfaces, and the three kinds of packet blocks
// (enhanced, simple, obsolete); every other block is skipped unread, however long it is.
//
// A simple packet block has no time stamp: its frame's is that of the frame before.
#pragma once

#include <vector>

#include "nicsim/frames/capture/capture_reader.h"
#include "nicsim/frames/capture/load.h"
#include "nicsim/frames/capture/time_scale.h"

namespace vmmc::nicsim::capture {

class PcapngReader : public CaptureReader {
 public:
  static bool is_magic(std::uint32_t magic);

  // first: at least kFormatBytes, beginning with a section header's type. kNotACapture.
  static std::variant<std::unique_ptr<CaptureReader>, wire::Status> make(
      std::span<const std::byte> first);

  ReadStep read(std::span<const std::byte> window, std::span<Frame> frames) override;
  bool between_records() const override { return trailer_ == 0 && !before_header_; }
  std::optional<std::uint16_t> link_type() const override { return link_type_; }

 private:
  struct Interface {
    std::uint16_t link_type;
    std::uint32_t snap_length;  // 0: no limit
    TimeScale time_scale;
  };
  enum class Outcome { kFrame, kNoFrame, kCorrupt };

  PcapngReader() = default;

  // Each of a whole block of `total` bytes, which holds the fixed part of its kind.
  Outcome section(const std::byte* block);
  Outcome interface(const std::byte* block, std::size_t total);
  Outcome packet(const std::byte* block, std::size_t total, bool enhanced, Frame& frame);
  Outcome simple_packet(const std::byte* block, std::size_t total, Frame& frame);
  Outcome understand(std::uint32_t type, const std::byte* block, std::size_t total, Frame& frame);

  std::size_t length_of(std::uint32_t type, const std::byte* block);
  bool end_skipped_block(std::span<const std::byte> rest, ReadStep& step);

  // Goes over one block. True: go on.
  bool next_block(std::span<const std::byte> window, std::span<Frame> frames, ReadStep& step);

  Loader loader_;
  std::vector<Interface> interfaces_;  // of this section
  std::optional<std::uint16_t> link_type_;
  std::uint64_t last_time_ = 0;  // ns
  std::uint32_t trailer_ = 0;    // of the block that is being skipped; 0: none
  bool before_header_ = true;
};

}  // namespace vmmc::nicsim::capture
