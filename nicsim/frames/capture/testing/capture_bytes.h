// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Capture files, made number by number, in either byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vmmc::nicsim::capture::testing {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(const std::string& text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Writer {
 public:
  explicit Writer(bool big_endian = false) : big_endian_(big_endian) {}

  template <typename T>
  Writer& number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      const std::size_t shift = 8 * (big_endian_ ? sizeof(T) - 1 - i : i);
      bytes_.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> shift));
    }
    return *this;
  }
  Writer& u8(std::uint8_t value) { return number(value); }
  Writer& u16(std::uint16_t value) { return number(value); }
  Writer& u32(std::uint32_t value) { return number(value); }
  Writer& u64(std::uint64_t value) { return number(value); }

  Writer& raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& raw(const std::string& text) { return raw(bytes_of(text)); }
  Writer& pad() {
    while (bytes_.size() % 4 != 0) bytes_.push_back({});
    return *this;
  }

  bool big_endian() const { return big_endian_; }
  void set_big_endian(bool big_endian) { big_endian_ = big_endian; }
  Bytes& bytes() { return bytes_; }
  const Bytes& bytes() const { return bytes_; }

 private:
  bool big_endian_;
  Bytes bytes_;
};

// ------------------------------------------------------------------------------------------- pcap

inline void pcap_header(Writer& file, std::uint32_t magic = 0xa1b2c3d4,
                        std::uint32_t link_type = 1) {
  file.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(link_type);
}

inline void pcap_record(Writer& file, std::uint32_t seconds, std::uint32_t fraction,
                        const std::string& frame, std::uint32_t length) {
  file.u32(seconds).u32(fraction).u32(static_cast<std::uint32_t>(frame.size())).u32(length);
  file.raw(frame);
}

// ----------------------------------------------------------------------------------------- pcapng

inline void block(Writer& file, std::uint32_t type, const Writer& body) {
  Writer padded = body;
  padded.pad();
  const auto total = static_cast<std::uint32_t>(padded.bytes().size() + 12);
  file.u32(type).u32(total).raw(padded.bytes()).u32(total);
}

// The file goes on in this byte order.
inline void section(Writer& file, bool big_endian, std::uint16_t version = 1) {
  file.set_big_endian(big_endian);
  Writer body(big_endian);
  block(file, 0x0a0d0d0a, body.u32(0x1a2b3c4d).u16(version).u16(0).u64(UINT64_MAX));
}

inline void option(Writer& body, std::uint16_t code, const Writer& value) {
  body.u16(code).u16(static_cast<std::uint16_t>(value.bytes().size())).raw(value.bytes()).pad();
}

// resolution: as if_tsresol; 6 is left out, as it is in most files.
inline void interface(Writer& file, std::uint16_t link_type = 1, std::uint32_t snap_length = 0,
                      std::uint8_t resolution = 6, std::int64_t offset = 0) {
  const bool order = file.big_endian();
  Writer body(order);
  body.u16(link_type).u16(0).u32(snap_length);
  option(body, 2, Writer(order).raw("eth0"));
  if (resolution != 6) option(body, 9, Writer(order).u8(resolution));
  if (offset != 0) option(body, 14, Writer(order).number(offset));
  block(file, 1, body.u32(0));
}

// flags: 0: without options.
inline void enhanced_packet(Writer& file, std::uint32_t interface, std::uint64_t stamp,
                            const std::string& frame, std::uint32_t length,
                            std::uint32_t flags = 0) {
  const bool order = file.big_endian();
  Writer body(order);
  body.u32(interface).u32(static_cast<std::uint32_t>(stamp >> 32));
  body.u32(static_cast<std::uint32_t>(stamp)).u32(static_cast<std::uint32_t>(frame.size()));
  body.u32(length).raw(frame).pad();
  if (flags != 0) {
    option(body, 1, Writer(order).raw("seen"));
    option(body, 2, Writer(order).u32(flags));
    body.u32(0);
  }
  block(file, 6, body);
}

inline void simple_packet(Writer& file, const std::string& frame, std::uint32_t length) {
  block(file, 3, Writer(file.big_endian()).u32(length).raw(frame));
}

inline void obsolete_packet(Writer& file, std::uint16_t interface, std::uint64_t stamp,
                            const std::string& frame, std::uint32_t length) {
  Writer body(file.big_endian());
  body.u16(interface).u16(3).u32(static_cast<std::uint32_t>(stamp >> 32));
  body.u32(static_cast<std::uint32_t>(stamp)).u32(static_cast<std::uint32_t>(frame.size()));
  block(file, 2, body.u32(length).raw(frame));
}

// A block of every kind, two sections of different byte order: 7 frames.
inline Bytes mixed_pcapng() {
  Writer file;
  section(file, false);
  block(file, 5, Writer().u32(0).raw("statistics of no interest"));
  interface(file);
  interface(file, 101, 32, 9);
  enhanced_packet(file, 0, 1'600'000'000'000'001, "first frame", 60);
  enhanced_packet(file, 1, 1'600'000'001'000'000'003, "of the other", 12, 2);
  simple_packet(file, "simple", 6);
  obsolete_packet(file, 0, 1'600'000'002'000'000, "obsolete!", 9);
  section(file, true);
  interface(file, 1, 8, 0x80 | 10, -100);
  enhanced_packet(file, 0, (std::uint64_t{1000} << 10) + 512, "swapped", 7, 1);
  simple_packet(file, "cut to e", 20);
  block(file, 0x80000001, Writer(true).raw("ours alone"));
  enhanced_packet(file, 0, std::uint64_t{1001} << 10, "", 0);
  return file.bytes();
}

}  // namespace vmmc::nicsim::capture::testing
