// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// pcap, version 2.4: a header of 24 bytes, then records. Byte order and unit of time are told by
// the magic number; the modified format (magic ...cd34) has 8 bytes more in each record's header.
// Seconds are unsigned.
#pragma once

#include "nicsim/frames/capture/capture_reader.h"
#include "nicsim/frames/capture/load.h"

namespace vmmc::nicsim::capture {

class PcapReader : public CaptureReader {
 public:
  static bool is_magic(std::uint32_t magic);

  // first: at least kFormatBytes, beginning with a magic number of pcap. kNotACapture: another
  // version; kCorruptCapture.
  static std::variant<std::unique_ptr<CaptureReader>, wire::Status> make(
      std::span<const std::byte> first);

  ReadStep read(std::span<const std::byte> window, std::span<Frame> frames) override;
  bool between_records() const override { return !before_header_; }
  std::optional<std::uint16_t> link_type() const override { return link_type_; }

 private:
  PcapReader(Loader loader, std::uint32_t magic, std::uint16_t link_type);

  Loader loader_;
  std::uint16_t link_type_;
  std::uint32_t fraction_ns_;  // of one unit of a time stamp's fraction
  std::size_t record_header_bytes_;
  bool before_header_ = true;
};

}  // namespace vmmc::nicsim::capture
