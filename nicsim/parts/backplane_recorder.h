// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests of backplanes: nodes that inject what they are given, one parcel after the other, and note
// what arrives and when.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "nicsim/parts/backplane_port.h"
#include "nicsim/parts/event_queue.h"

namespace vmmc::nicsim::parts {

class BackplaneRecorder final : public BackplaneClient {
 public:
  struct Arrival {
    std::uint64_t content;
    Time time;
    bool operator==(const Arrival&) const = default;
  };

  BackplaneRecorder(EventQueue& queue, std::uint32_t nodes)
      : queue_(queue), to_inject_(nodes), injects_(nodes), room_(nodes, UINT64_MAX) {}

  void connect(BackplanePort& port) { port_ = &port; }

  // As soon as the node's parcels before it are in the backplane.
  void send(const Parcel& parcel) {
    to_inject_[parcel.source].push_back(parcel);
    inject_next(parcel.source);
  }
  // From now on so many bytes.
  void set_room(std::uint32_t node, std::uint64_t bytes) {
    room_[node] = bytes;
    port_->room_freed(node);
  }

  // When the parcel arrived; kNever if it has not.
  Time arrival_of(std::uint64_t content) const {
    const auto found = std::find_if(arrivals.begin(), arrivals.end(),
                                    [&](const Arrival& one) { return one.content == content; });
    return found == arrivals.end() ? kNever : found->time;
  }

  void injected(std::uint32_t node) override {
    injections.push_back(queue_.now());
    injects_[node] = false;
    inject_next(node);
  }
  bool reserve(std::uint32_t destination, std::uint32_t bytes) override {
    if (bytes > room_[destination]) return false;
    if (room_[destination] != UINT64_MAX) room_[destination] -= bytes;
    return true;
  }
  void arrived(const Parcel& parcel) override {
    arrivals.push_back({parcel.content, queue_.now()});
  }

  std::vector<Arrival> arrivals;
  std::vector<Time> injections;

 private:
  void inject_next(std::uint32_t node) {
    if (injects_[node] || to_inject_[node].empty()) return;
    const Parcel parcel = to_inject_[node].front();
    to_inject_[node].pop_front();
    injects_[node] = true;
    port_->inject(parcel);
  }

  EventQueue& queue_;
  BackplanePort* port_ = nullptr;
  std::vector<std::deque<Parcel>> to_inject_;
  std::vector<bool> injects_;
  std::vector<std::uint64_t> room_;  // UINT64_MAX: without end
};

}  // namespace vmmc::nicsim::parts
