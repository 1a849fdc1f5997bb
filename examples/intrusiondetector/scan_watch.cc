// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/scan_watch.h"

#include <algorithm>
#include <unordered_map>

namespace examples::intrusiondetector {

ScanWatch::Pair& ScanWatch::pair_of(const Key& key) {
  const auto found = index_.find(key);
  if (found != index_.end()) {
    pairs_.splice(pairs_.begin(), pairs_, found->second);
    return pairs_.front();
  }
  if (pairs_.size() == kMostPairs) {
    index_.erase(pairs_.back().key);
    pairs_.pop_back();
  }
  pairs_.emplace_front();
  pairs_.front().key = key;
  index_.emplace(key, pairs_.begin());
  return pairs_.front();
}

// Whether any span of the rule's time has enough different ports.
bool ScanWatch::is_scan(Pair& pair) const {
  std::unordered_map<std::uint16_t, std::uint32_t> inside;
  std::size_t first = 0;
  for (const auto& [time, port] : pair.ports) {
    ++inside[port];
    for (; time - pair.ports[first].first > rule_.within; ++first) {
      const auto gone = inside.find(pair.ports[first].second);
      if (--gone->second == 0) inside.erase(gone);
    }
    if (inside.size() >= rule_.ports) return true;
  }
  return false;
}

bool ScanWatch::add(const Opening& opening) {
  Pair& pair = pair_of({opening.from, opening.to});
  if (pair.scanned &&
      (opening.time <= *pair.scanned || opening.time - *pair.scanned <= rule_.within)) {
    pair.scanned = std::max(*pair.scanned, opening.time);
    return false;
  }
  const std::pair entry{opening.time, opening.port};
  const auto place = std::upper_bound(pair.ports.begin(), pair.ports.end(), entry);
  pair.ports.insert(place, entry);
  const std::size_t most = std::size_t{4} * rule_.ports;
  if (pair.ports.size() > most) pair.ports.erase(pair.ports.begin());
  if (pair.ports.size() < rule_.ports || !is_scan(pair)) return false;
  pair.scanned = pair.ports.back().first;
  pair.ports.clear();
  return true;
}

}  // namespace examples::intrusiondetector
