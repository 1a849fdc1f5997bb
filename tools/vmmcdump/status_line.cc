// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/status_line.h"

#include <cstdio>

namespace vmmc::dump {
namespace {

using Number = unsigned long long;

std::string frames(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " frame" : " frames");
}

std::string rate_text(double bytes) {
  char text[48];
  if (bytes >= 1e9) {
    std::snprintf(text, sizeof text, "%.2f GB/s", bytes / 1e9);
  } else if (bytes >= 1e6) {
    std::snprintf(text, sizeof text, "%.1f MB/s", bytes / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.1f kB/s", bytes / 1e3);
  }
  return text;
}

}  // namespace

std::string live_line(const Progress& before, const Progress& now, double seconds) {
  const double rate = static_cast<double>(now.captured - before.captured) / seconds;
  char text[160];
  std::snprintf(
      text, sizeof text, "%llu frames, %.0f frames/s, %s, dropped %llu by ring, %llu by source",
      static_cast<Number>(now.captured), rate,
      rate_text(static_cast<double>(now.bytes - before.bytes) / seconds).c_str(),
      static_cast<Number>(now.ring.dropped), static_cast<Number>(now.ring.source_dropped));
  return text;
}

std::string final_line(const Progress& progress) {
  std::string text = frames(progress.captured) + " captured, ";
  if (progress.filtered != 0) text += std::to_string(progress.filtered) + " filtered out, ";
  return text + std::to_string(progress.ring.dropped) + " dropped by ring, " +
         std::to_string(progress.ring.source_dropped) + " by source";
}

}  // namespace vmmc::dump
