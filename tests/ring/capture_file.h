// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Capture files that a test writes itself: pcap with ns time stamps, of UDP frames that carry their
// number.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace vmmc::testing {

inline constexpr std::size_t kFrameBytes = 64;
inline constexpr std::size_t kNumberAt = 42;  // behind Ethernet, IPv4 and UDP
inline constexpr std::uint64_t kFirstTime = 1'700'000'000'123'456'789;
inline constexpr std::size_t kRecordBytes = 16 + kFrameBytes;

// Flow f: from 10.0.0.f, port 1000 + f, to 10.0.1.1, port 53; backwards: the other way.
inline std::array<unsigned char, kFrameBytes> numbered_frame(std::uint64_t number,
                                                             unsigned flow = 0,
                                                             bool backwards = false) {
  std::array<unsigned char, kFrameBytes> frame{};
  const unsigned char ends[2][4] = {{10, 0, 0, static_cast<unsigned char>(flow)}, {10, 0, 1, 1}};
  const unsigned ports[2] = {1000 + flow, 53};
  const int from = backwards ? 1 : 0;
  frame[5] = 1;
  frame[11] = 2;
  frame[12] = 0x08;  // IPv4
  frame[14] = 0x45;
  frame[17] = kFrameBytes - 14;
  frame[22] = 64;
  frame[23] = 17;  // UDP
  std::memcpy(&frame[26], ends[from], 4);
  std::memcpy(&frame[30], ends[1 - from], 4);
  frame[34] = static_cast<unsigned char>(ports[from] >> 8);
  frame[35] = static_cast<unsigned char>(ports[from]);
  frame[36] = static_cast<unsigned char>(ports[1 - from] >> 8);
  frame[37] = static_cast<unsigned char>(ports[1 - from]);
  frame[39] = kFrameBytes - 34;
  std::memcpy(&frame[kNumberAt], &number, sizeof number);
  return frame;
}

inline std::uint64_t number_of(const unsigned char* frame) {
  std::uint64_t number = 0;
  std::memcpy(&number, frame + kNumberAt, sizeof number);
  return number;
}

class CaptureFile {
 public:
  CaptureFile() { put({0xa1b23c4d, 4u << 16 | 2, 0, 0, 262144, 1}); }

  // `interval`: ns from frame to frame.
  static CaptureFile numbered(std::uint64_t frames, unsigned flows = 1,
                              std::uint64_t interval = 1000) {
    CaptureFile file;
    file.bytes.reserve(24 + frames * kRecordBytes);
    for (std::uint64_t i = 0; i < frames; ++i) {
      const auto frame = numbered_frame(i, static_cast<unsigned>(i % flows), i / flows % 2 == 1);
      file.add(kFirstTime + i * interval, frame.data(), frame.size(), frame.size());
    }
    return file;
  }

  void add(std::uint64_t time, const unsigned char* data, std::size_t captured,
           std::size_t length) {
    put({static_cast<std::uint32_t>(time / 1'000'000'000),
         static_cast<std::uint32_t>(time % 1'000'000'000), static_cast<std::uint32_t>(captured),
         static_cast<std::uint32_t>(length)});
    bytes.insert(bytes.end(), data, data + captured);
  }

  // A file that has no name any more; it lasts as long as the process.
  int write() const {
    std::FILE* const file = std::tmpfile();
    if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() ||
        std::fflush(file) != 0) {
      throw std::runtime_error("cannot write a capture file");
    }
    return ::fileno(file);
  }

  std::vector<unsigned char> bytes;

 private:
  void put(std::initializer_list<std::uint32_t> words) {
    for (const std::uint32_t word : words) {
      const auto* first = reinterpret_cast<const unsigned char*>(&word);
      bytes.insert(bytes.end(), first, first + sizeof word);
    }
  }
};

}  // namespace vmmc::testing
