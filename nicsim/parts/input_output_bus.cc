// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/input_output_bus.h"

namespace vmmc::nicsim::parts {

void InputOutputBus::request(Way way, const Request& request) {
  const std::size_t lane = shared_ ? 0 : static_cast<std::size_t>(way);
  lanes_[lane].waiting.emplace_back(way, request);
  if (lanes_[lane].waiting.size() == 1) grant(lane);
}

void InputOutputBus::grant(std::size_t lane) {
  const auto& [way, request] = lanes_[lane].waiting.front();
  const auto index = static_cast<std::size_t>(way);
  counters_.held_ps[index] += request.duration;
  counters_.waited_ps[index] += queue_.now() - request.asked;
  queue_.after<&InputOutputBus::over>(request.duration, *this, lane);
}

void InputOutputBus::over(std::uint64_t lane) {
  const Request request = lanes_[lane].waiting.front().second;
  lanes_[lane].waiting.pop_front();
  if (!lanes_[lane].waiting.empty()) grant(lane);
  request.action(request.object, request.argument);
}

}  // namespace vmmc::nicsim::parts
