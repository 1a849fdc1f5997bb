// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Looks for the rules' contents in the frames that one process is given. Connections' first packets it hands on: whether
// they are a scan is known only where those of all processes come together.
//
// A content that is spread over segments of a connection is found, as long as they come in order: the flow keeps the last
// bytes of each direction, one less than the longest pattern has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "examples/intrusiondetector/flow_table.h"
#include "examples/intrusiondetector/rules.h"
#include "examples/intrusiondetector/scan_watch.h"

namespace examples::intrusiondetector {

struct Alert {
  std::string rule;
  std::string from;
  std::string to;
  std::uint64_t time = 0;  // ns since 1970
};

class Detector {
 public:
  static constexpr std::size_t kMostFlows = 65'536;

  Detector(const Rules& rules, std::function<void(const Alert&)> on_alert,
           std::function<void(const Opening&)> on_opening);

  // The frame may change once this has returned.
  void look_at(Bytes frame, std::uint64_t time);

  const FlowTable& flows() const { return flows_; }

 private:
  void search(const Packet& packet, Flow& flow, std::uint64_t time);

  const Rules& rules_;
  std::function<void(const Alert&)> on_alert_;
  std::function<void(const Opening&)> on_opening_;
  std::size_t kept_ = 0;  // bytes of each direction
  FlowTable flows_{kMostFlows};
};

}  // namespace examples::intrusiondetector
