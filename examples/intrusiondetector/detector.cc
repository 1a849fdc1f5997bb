// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/detector.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace examples::intrusiondetector {
namespace {

std::string_view view_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Detector::Detector(const Rules& rules, std::function<void(const Alert&)> on_alert,
                   std::function<void(const Opening&)> on_opening)
    : rules_(rules), on_alert_(std::move(on_alert)), on_opening_(std::move(on_opening)) {
  for (const ContentRule& rule : rules.contents) kept_ = std::max(kept_, rule.pattern.size() - 1);
}

void Detector::look_at(Bytes frame, std::uint64_t time) {
  const std::optional<Packet> packet = parse(frame);
  if (!packet) return;
  Flow& flow = flows_.count(*packet, time);
  if (packet->protocol == Protocol::kTcp && packet->syn) {
    on_opening_({time, packet->from.address, packet->to.address, packet->to.port});
  }
  if (!packet->payload.empty()) search(*packet, flow, time);
}

void Detector::search(const Packet& packet, Flow& flow, std::uint64_t time) {
  const std::string_view payload = view_of(packet.payload);
  Flow::Direction& direction = flow.directions[direction_of(packet)];
  // Datagrams stand alone.
  const bool continues = packet.protocol == Protocol::kTcp && !direction.last.empty() &&
                         packet.sequence == direction.next;
  if (!continues) direction.last.clear();
  std::string seam = direction.last;
  seam += payload.substr(0, kept_);
  for (std::size_t i = 0; i < rules_.contents.size(); ++i) {
    const ContentRule& rule = rules_.contents[i];
    const std::uint64_t bit = std::uint64_t{1} << i;
    if ((flow.alerted & bit) != 0 || !rule.is_for(packet)) continue;
    const bool found = payload.find(rule.pattern) != std::string_view::npos ||
                       (continues && seam.find(rule.pattern) != std::string::npos);
    if (!found) continue;
    flow.alerted |= bit;
    on_alert_({rule.name, text_of(packet.from), text_of(packet.to), time});
  }
  if (packet.protocol != Protocol::kTcp) return;
  // A short segment leaves a part of what was before it.
  direction.last = payload.size() >= kept_ ? std::string(payload.substr(payload.size() - kept_))
                                           : direction.last + std::string(payload);
  if (direction.last.size() > kept_) direction.last.erase(0, direction.last.size() - kept_);
  direction.next = packet.sequence + static_cast<std::uint32_t>(payload.size());
}

}  // namespace examples::intrusiondetector
