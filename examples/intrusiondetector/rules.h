// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The rules, and the text that they are read from; README.md describes it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "examples/intrusiondetector/packet.h"

namespace examples::intrusiondetector {

inline constexpr std::size_t kMostContentRules = 64;  // a flow has a bit for each
inline constexpr std::size_t kLongestPattern =
    64;  // bytes: a flow keeps one less of each direction
inline constexpr std::uint32_t kMostScanPorts = 1024;

struct PortRange {
  std::uint16_t first;
  std::uint16_t last;
};

struct ContentRule {
  std::string name;
  Protocol protocol = Protocol::kTcp;
  std::vector<PortRange> ports;  // of the receiver; empty: any
  std::string pattern;

  bool is_for(const Packet& packet) const;
};

// So many connections of one host to different ports of another one, within the time.
struct ScanRule {
  std::string name;
  std::uint32_t ports = 0;
  std::uint64_t within = 0;  // ns
};

struct Rules {
  std::vector<ContentRule> contents;
  std::vector<ScanRule> scans;
};

// The rules, or a sentence that says what is wrong with which line.
std::variant<Rules, std::string> parse_rules(const std::string& text);

}  // namespace examples::intrusiondetector
