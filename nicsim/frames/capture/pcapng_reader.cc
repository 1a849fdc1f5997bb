// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/pcapng_reader.h"

#include <algorithm>

namespace vmmc::nicsim::capture {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;  // the same in both byte orders
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;

constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;

constexpr std::size_t kLeastBlock = 12;  // type, length, length again
constexpr std::size_t kTrailerBytes = 4;
constexpr std::size_t kPacketHead =
    28;  // of an enhanced or obsolete packet block, before its bytes
constexpr std::size_t kSimpleHead = 12;
constexpr std::size_t kInterfaceHead = 16;
constexpr std::size_t kMostInterfaces = 65536;  // what Frame::interface can tell apart

// Options.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint16_t kTimeOffset = 14;
constexpr std::size_t kOptionHead = 4;

constexpr std::uint32_t kDirectionMask = 3;
constexpr std::uint32_t kOutbound = 2;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; }

// The bytes that a block of this type has at least; 0: one that is skipped.
constexpr std::size_t least_block(std::uint32_t type) {
  switch (type) {
    case kSectionHeader:
      return 28;
    case kInterfaceDescription:
      return kInterfaceHead + kTrailerBytes;
    case kSimplePacket:
      return kSimpleHead + kTrailerBytes;
    case kObsoletePacket:
    case kEnhancedPacket:
      return kPacketHead + kTrailerBytes;
    default:
      return 0;
  }
}

// What next_block() stops with.
bool stop(ReadStep& step, std::size_t wanted, wire::Status status = wire::Status::kOk) {
  step.wanted = wanted;
  step.status = status;
  return false;
}

bool is_packet(std::uint32_t type) {
  return type == kEnhancedPacket || type == kSimplePacket || type == kObsoletePacket;
}

// Calls see(code, value, length) for each option. False: one passes the end.
template <typename See>
bool for_each_option(const Loader& loader, std::span<const std::byte> options, See see) {
  while (options.size() >= kOptionHead) {
    const std::uint16_t code = loader.load16(options.data());
    const std::size_t length = loader.load16(options.data() + 2);
    if (code == kEndOfOptions) return true;
    if (padded(length) > options.size() - kOptionHead) return false;
    see(code, options.data() + kOptionHead, length);
    options = options.subspan(kOptionHead + padded(length));
  }
  return true;
}

bool is_outbound(const Loader& loader, std::span<const std::byte> options) {
  std::uint32_t flags = 0;
  for_each_option(loader, options,
                  [&](std::uint16_t code, const std::byte* value, std::size_t length) {
                    if (code == kPacketFlags && length == 4) flags = loader.load32(value);
                  });
  return (flags & kDirectionMask) == kOutbound;
}

}  // namespace

bool PcapngReader::is_magic(std::uint32_t magic) { return magic == kSectionHeader; }

std::variant<std::unique_ptr<CaptureReader>, wire::Status> PcapngReader::make(
    std::span<const std::byte> first) {
  const std::uint32_t order = load32(first.data() + 8);
  if (order != kByteOrder && order != __builtin_bswap32(kByteOrder)) {
    return wire::Status::kNotACapture;
  }
  return std::unique_ptr<CaptureReader>(new PcapngReader);
}

PcapngReader::Outcome PcapngReader::section(const std::byte* block) {
  if (loader_.load16(block + 12) != 1) return Outcome::kCorrupt;
  interfaces_.clear();
  return Outcome::kNoFrame;
}

PcapngReader::Outcome PcapngReader::interface(const std::byte* block, std::size_t total) {
  if (interfaces_.size() == kMostInterfaces) return Outcome::kCorrupt;
  std::uint8_t resolution = 6;
  std::int64_t offset = 0;
  const bool whole =
      for_each_option(loader_, {block + kInterfaceHead, total - kInterfaceHead - kTrailerBytes},
                      [&](std::uint16_t code, const std::byte* value, std::size_t length) {
                        if (code == kTimeResolution && length == 1)
                          resolution = std::to_integer<uint8_t>(*value);
                        if (code == kTimeOffset && length == 8) {
                          offset = static_cast<std::int64_t>(loader_.load64(value));
                        }
                      });
  const auto scale = TimeScale::make(resolution, offset);
  if (!whole || !scale) return Outcome::kCorrupt;
  const std::uint16_t type = loader_.load16(block + 8);
  interfaces_.push_back({type, loader_.load32(block + 12), *scale});
  if (!link_type_) link_type_ = type;
  return Outcome::kNoFrame;
}

PcapngReader::Outcome PcapngReader::packet(const std::byte* block, std::size_t total, bool enhanced,
                                           Frame& frame) {
  const std::size_t number = enhanced ? loader_.load32(block + 8) : loader_.load16(block + 8);
  const std::size_t captured = loader_.load32(block + 20);
  const std::size_t room = total - kPacketHead - kTrailerBytes;
  if (number >= interfaces_.size() || captured > room || captured > wire::kMaxFrameBytes) {
    return Outcome::kCorrupt;
  }
  const Interface& interface = interfaces_[number];
  last_time_ = interface.time_scale.nanoseconds(std::uint64_t{loader_.load32(block + 12)} << 32 |
                                                loader_.load32(block + 16));
  frame = {
      .time = last_time_,
      .length = std::max(static_cast<std::uint32_t>(captured), loader_.load32(block + 24)),
      .link_type = interface.link_type,
      .interface = static_cast<std::uint16_t>(number),
      .bytes = {block + kPacketHead, captured},
  };
  const std::size_t options = room - padded(captured);
  if (options >= kOptionHead &&
      is_outbound(loader_, {block + kPacketHead + padded(captured), options})) {
    frame.flags = wire::kFrameOutbound;
  }
  return Outcome::kFrame;
}

PcapngReader::Outcome PcapngReader::simple_packet(const std::byte* block, std::size_t total,
                                                  Frame& frame) {
  if (interfaces_.empty()) return Outcome::kCorrupt;
  const Interface& interface = interfaces_.front();
  const std::uint32_t length = loader_.load32(block + 8);
  const std::uint32_t captured =
      interface.snap_length == 0 ? length : std::min(length, interface.snap_length);
  if (captured > total - kSimpleHead - kTrailerBytes || captured > wire::kMaxFrameBytes) {
    return Outcome::kCorrupt;
  }
  frame = {
      .time = last_time_,
      .length = length,
      .link_type = interface.link_type,
      .bytes = {block + kSimpleHead, captured},
  };
  return Outcome::kFrame;
}

PcapngReader::Outcome PcapngReader::understand(std::uint32_t type, const std::byte* block,
                                               std::size_t total, Frame& frame) {
  switch (type) {
    case kSectionHeader:
      return section(block);
    case kInterfaceDescription:
      return interface(block, total);
    case kSimplePacket:
      return simple_packet(block, total, frame);
    default:
      return packet(block, total, type == kEnhancedPacket, frame);
  }
}

// The block's length; 0: it makes no sense. A section header sets the byte order first.
std::size_t PcapngReader::length_of(std::uint32_t type, const std::byte* block) {
  if (type == kSectionHeader) {
    loader_.swapped = load32(block + 8) != kByteOrder;
    if (loader_.load32(block + 8) != kByteOrder) return 0;
  }
  const std::size_t total = loader_.load32(block + 4);
  return total % 4 == 0 && total >= std::max(least_block(type), kLeastBlock) ? total : 0;
}

bool PcapngReader::end_skipped_block(std::span<const std::byte> rest, ReadStep& step) {
  if (rest.size() < kTrailerBytes) return stop(step, kTrailerBytes);
  if (loader_.load32(rest.data()) != trailer_) return stop(step, 0, wire::Status::kCorruptCapture);
  trailer_ = 0;
  step.used += kTrailerBytes;
  return true;
}

bool PcapngReader::next_block(std::span<const std::byte> window, std::span<Frame> frames,
                              ReadStep& step) {
  const auto rest = window.subspan(std::min(step.used, window.size()));
  if (trailer_ != 0) return end_skipped_block(rest, step);
  if (rest.size() < kLeastBlock) return stop(step, kLeastBlock);
  const std::byte* const block = rest.data();
  const std::uint32_t type = loader_.load32(block);
  const std::size_t total = length_of(type, block);
  if (total == 0) return stop(step, 0, wire::Status::kCorruptCapture);
  if (least_block(type) == 0) {
    trailer_ = static_cast<std::uint32_t>(total);
    step.used += total - kTrailerBytes;
    return true;
  }
  if (total > kMaxRecordBytes) return stop(step, 0, wire::Status::kCorruptCapture);
  if (step.frames == frames.size() && is_packet(type)) return stop(step, 0);
  if (rest.size() < total) return stop(step, total);
  Frame none;
  const bool whole = loader_.load32(block + total - kTrailerBytes) == total;
  const Outcome outcome =
      whole ? understand(type, block, total, is_packet(type) ? frames[step.frames] : none)
            : Outcome::kCorrupt;
  if (outcome == Outcome::kCorrupt) return stop(step, 0, wire::Status::kCorruptCapture);
  if (outcome == Outcome::kFrame) ++step.frames;
  step.used += total;
  before_header_ = false;
  return true;
}

ReadStep PcapngReader::read(std::span<const std::byte> window, std::span<Frame> frames) {
  ReadStep step;
  while (next_block(window, frames, step)) {
  }
  return step;
}

}  // namespace vmmc::nicsim::capture
