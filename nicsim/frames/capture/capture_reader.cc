// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/capture_reader.h"

#include "nicsim/frames/capture/load.h"
#include "nicsim/frames/capture/pcap_reader.h"
#include "nicsim/frames/capture/pcapng_reader.h"

namespace vmmc::nicsim::capture {

std::variant<std::unique_ptr<CaptureReader>, wire::Status> make_capture_reader(
    std::span<const std::byte> first) {
  if (first.size() < sizeof(std::uint32_t)) return wire::Status::kNotACapture;
  const std::uint32_t magic = load32(first.data());
  const bool pcap = PcapReader::is_magic(magic);
  if (!pcap && !PcapngReader::is_magic(magic)) return wire::Status::kNotACapture;
  if (first.size() < kFormatBytes) return wire::Status::kTruncatedCapture;
  return pcap ? PcapReader::make(first) : PcapngReader::make(first);
}

}  // namespace vmmc::nicsim::capture
