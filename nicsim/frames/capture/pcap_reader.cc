// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/pcap_reader.h"

#include <algorithm>

namespace vmmc::nicsim::capture {
namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kModified = 0xa1b2cd34;

constexpr std::size_t kHeaderBytes = kFormatBytes;
constexpr std::size_t kRecordHeaderBytes = 16;
constexpr std::size_t kModifiedRecordHeaderBytes = 24;
constexpr std::uint64_t kSecond = 1'000'000'000;

bool is_ours(std::uint32_t magic) {
  return magic == kMicroseconds || magic == kNanoseconds || magic == kModified;
}

}  // namespace

bool PcapReader::is_magic(std::uint32_t magic) {
  return is_ours(magic) || is_ours(__builtin_bswap32(magic));
}

std::variant<std::unique_ptr<CaptureReader>, wire::Status> PcapReader::make(
    std::span<const std::byte> first) {
  const Loader loader{.swapped = !is_ours(load32(first.data()))};
  if (loader.load16(first.data() + 4) != 2 || loader.load16(first.data() + 6) != 4) {
    return wire::Status::kNotACapture;
  }
  // The upper bits say how long the frames' check sequences are; a link type has 16.
  const std::uint32_t link_type = loader.load32(first.data() + 20) & 0x03ff'ffff;
  if (link_type > UINT16_MAX) return wire::Status::kCorruptCapture;
  return std::unique_ptr<CaptureReader>(
      new PcapReader(loader, loader.load32(first.data()), static_cast<std::uint16_t>(link_type)));
}

PcapReader::PcapReader(Loader loader, std::uint32_t magic, std::uint16_t link_type)
    : loader_(loader),
      link_type_(link_type),
      fraction_ns_(magic == kNanoseconds ? 1 : 1000),
      record_header_bytes_(magic == kModified ? kModifiedRecordHeaderBytes : kRecordHeaderBytes) {}

ReadStep PcapReader::read(std::span<const std::byte> window, std::span<Frame> frames) {
  ReadStep step;
  if (before_header_) {
    if (window.size() < kHeaderBytes) return {.wanted = kHeaderBytes};
    before_header_ = false;
    step.used = kHeaderBytes;
  }
  const Loader loader = loader_;
  const std::size_t header_bytes = record_header_bytes_;
  while (step.frames < frames.size()) {
    const std::byte* const record = window.data() + step.used;
    const std::size_t left = window.size() - step.used;
    step.wanted = header_bytes;
    if (left < header_bytes) return step;
    const std::uint32_t captured = loader.load32(record + 8);
    if (captured > wire::kMaxFrameBytes) {
      step.wanted = 0;
      step.status = wire::Status::kCorruptCapture;
      return step;
    }
    step.wanted = header_bytes + captured;
    if (left < step.wanted) return step;
    frames[step.frames++] = {
        .time = loader.load32(record) * kSecond +
                std::uint64_t{loader.load32(record + 4)} * fraction_ns_,
        .length = std::max(captured, loader.load32(record + 12)),
        .link_type = link_type_,
        .bytes = {record + header_bytes, captured},
    };
    step.used += step.wanted;
  }
  step.wanted = 0;
  return step;
}

}  // namespace vmmc::nicsim::capture
