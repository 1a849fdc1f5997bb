// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/flow_table.h"

#include <algorithm>
#include <string_view>

namespace examples::intrusiondetector {

std::size_t FlowTable::Hash::operator()(const FlowKey& key) const {
  const auto of = [](const Endpoint& end) {
    const std::string_view bytes(reinterpret_cast<const char*>(end.address.bytes.data()),
                                 end.address.bytes.size());
    return std::hash<std::string_view>()(bytes) + std::size_t{end.port} * 0x9e3779b97f4a7c15u;
  };
  return (of(key.low) * 31 + of(key.high)) * 31 + static_cast<std::size_t>(key.protocol);
}

void FlowTable::forget_oldest() {
  index_.erase(flows_.back().key);
  flows_.pop_back();
}

Flow& FlowTable::count(const Packet& packet, std::uint64_t time) {
  const auto is_silent = [time](const Flow& flow) {
    return time > flow.latest && time - flow.latest > kSilence;
  };
  while (!flows_.empty() && is_silent(flows_.back())) forget_oldest();
  const auto [low, high] = std::minmax(packet.from, packet.to);
  const FlowKey key{low, high, packet.protocol};
  const auto found = index_.find(key);
  if (found != index_.end()) {
    flows_.splice(flows_.begin(), flows_, found->second);
  } else {
    if (flows_.size() == most_) forget_oldest();
    flows_.emplace_front();
    flows_.front().key = key;
    index_.emplace(key, flows_.begin());
    ++begun_;
  }
  Flow& flow = flows_.front();
  ++flow.packets;
  flow.bytes += packet.payload.size();
  flow.latest = std::max(flow.latest, time);
  return flow;
}

}  // namespace examples::intrusiondetector
