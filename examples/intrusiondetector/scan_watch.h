// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Finds port scans among the first packets of connections. These may come in any order of their times, since several
// processes see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "examples/intrusiondetector/rules.h"

namespace examples::intrusiondetector {

// The first packet of a connection. Sent between processes as it stands.
struct Opening {
  std::uint64_t time = 0;  // ns
  Address from;
  Address to;
  std::uint16_t port = 0;
};

class ScanWatch {
 public:
  // Pairs of hosts that are watched at once; then the one that has been silent for longest is forgotten.
  static constexpr std::size_t kMostPairs = 65'536;

  explicit ScanWatch(const ScanRule& rule) : rule_(rule) {}

  // Whether a scan is found with this one. It is found once: what goes on without a pause of the rule's time is the same
  // scan.
  bool add(const Opening& opening);
  const ScanRule& rule() const { return rule_; }

 private:
  using Key = std::pair<Address, Address>;
  struct Pair {
    Key key;
    std::vector<std::pair<std::uint64_t, std::uint16_t>> ports;  // time and port, by time
    std::optional<std::uint64_t> scanned;  // time of the latest packet of the scan that was found
  };
  Pair& pair_of(const Key& key);
  bool is_scan(Pair& pair) const;

  ScanRule rule_;
  std::list<Pair> pairs_;  // the latest first
  std::map<Key, std::list<Pair>::iterator> index_;
};

}  // namespace examples::intrusiondetector
