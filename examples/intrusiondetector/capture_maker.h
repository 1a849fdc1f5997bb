// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A capture with harmless traffic, and with attacks at known places that the rules of rules.txt are for. The same number
// of frames gives the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace examples::intrusiondetector {

// Harmless frames; the attacks need so many between them.
inline constexpr std::uint32_t kFewestFrames = 10'000;

struct MadeCapture {
  std::string pcap;                  // the file
  std::vector<std::string> planted;  // what is to be found: "RULE FROM > TO", as in an alert
};
MadeCapture make_capture(std::uint32_t frames);

}  // namespace examples::intrusiondetector
