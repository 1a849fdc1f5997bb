// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The frames of the benchmark, and what every receiver does with each of them: looks at its
// headers, and adds up the bytes of its first cache line. Inline, so that all receivers pay the
// same.
//
// A frame: Ethernet, IPv4 and UDP headers; from byte 42 a number of 8 bytes, then bytes that depend on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vmmc::bench {

inline constexpr std::size_t kNumberAt = 42;
inline constexpr std::size_t kTouched = 64;  // bytes of a frame that are added up
inline constexpr std::uint16_t kEtherType = 0x0800;
inline constexpr unsigned char kUdp = 17;
inline constexpr std::uint16_t kPort = 47'110;

// Writes all but the number; `bytes` >= 64. Ends of the frame beyond kTouched repeat a pattern.
void write_frame(unsigned char* frame, std::size_t bytes);

inline void number_frame(unsigned char* frame, std::uint64_t number) {
  std::memcpy(frame + kNumberAt, &number, sizeof number);
}

inline std::uint64_t sum_of_first_line(const unsigned char* frame) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kTouched; ++i) sum += frame[i];
  return sum;
}

struct Tally {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0;     // of the bytes of the first cache lines
  std::uint64_t wrong = 0;   // frames of the wrong length, or out of order
  std::uint64_t strays = 0;  // frames that are not ours
  std::uint64_t next_number = 0;

  void add(const unsigned char* frame, std::uint32_t captured, std::uint32_t length) {
    if (captured < kTouched || !is_ours(frame)) {
      ++strays;
      return;
    }
    std::uint64_t number = 0;
    std::memcpy(&number, frame + kNumberAt, sizeof number);
    if (number < next_number || captured != length) ++wrong;
    next_number = number + 1;
    ++frames;
    bytes += length;
    sum += sum_of_first_line(frame);
  }

 private:
  static bool is_ours(const unsigned char* frame) {
    return frame[12] == (kEtherType >> 8) && frame[13] == (kEtherType & 0xff) &&
           frame[23] == kUdp && frame[36] == (kPort >> 8) && frame[37] == (kPort & 0xff);
  }
};

}  // namespace vmmc::bench
