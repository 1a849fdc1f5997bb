// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/time_scale.h"

namespace vmmc::nicsim::capture {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint8_t kPowerOfTwo = 0x80;
__extension__ using Wide = unsigned __int128;

}  // namespace

std::optional<TimeScale> TimeScale::make(std::uint8_t resolution, std::int64_t offset) {
  const unsigned exponent = resolution & ~kPowerOfTwo;
  const bool power_of_two = (resolution & kPowerOfTwo) != 0;
  if (exponent > (power_of_two ? 63 : 19)) return std::nullopt;
  TimeScale scale;
  scale.units_ = 1;
  for (unsigned i = 0; i < exponent; ++i) scale.units_ *= power_of_two ? 2 : 10;
  scale.offset_ = offset;
  const bool plain = offset == 0 && kSecond % scale.units_ == 0;
  scale.factor_ = plain ? kSecond / scale.units_ : 0;
  scale.plain_end_ = plain ? UINT64_MAX / scale.factor_ : 0;
  return scale;
}

std::uint64_t TimeScale::by_division(std::uint64_t stamp) const {
  const Wide fraction = Wide{stamp % units_} * kSecond / units_;
  Wide seconds = stamp / units_;
  if (offset_ >= 0) {
    seconds += static_cast<std::uint64_t>(offset_);
  } else {
    const std::uint64_t back = -static_cast<std::uint64_t>(offset_);
    if (seconds < back) return 0;
    seconds -= back;
  }
  const Wide time = seconds * kSecond + fraction;
  return time > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(time);
}

}  // namespace vmmc::nicsim::capture
