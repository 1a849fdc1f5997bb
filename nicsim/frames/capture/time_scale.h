// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a time stamp of a pcapng interface means: units of 10^-n or 2^-n seconds since an offset.
#pragma once

#include <cstdint>
#include <optional>

namespace vmmc::nicsim::capture {

class TimeScale {
 public:
  TimeScale() = default;  // microseconds since 1970

  // resolution: as if_tsresol: n, or 0x80 | n for powers of two; offset: s. Nothing: a unit too
  // small for 64 bits (n > 19, or > 63 for powers of two).
  static std::optional<TimeScale> make(std::uint8_t resolution, std::int64_t offset);

  // ns since 1970, rounded down; what does not fit is the nearest that does.
  std::uint64_t nanoseconds(std::uint64_t stamp) const {
    if (stamp < plain_end_) return stamp * factor_;
    return by_division(stamp);
  }

 private:
  std::uint64_t by_division(std::uint64_t stamp) const;

  // Below plain_end_ a stamp is stamp * factor_ ns: so it is with nearly all files.
  std::uint64_t plain_end_ = UINT64_MAX / 1000;
  std::uint64_t factor_ = 1000;
  std::uint64_t units_ = 1'000'000;  // per second
  std::int64_t offset_ = 0;
};

}  // namespace vmmc::nicsim::capture
