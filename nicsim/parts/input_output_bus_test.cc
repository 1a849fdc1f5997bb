// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/input_output_bus.h"

#include <doctest/doctest.h>

#include <vector>

using namespace vmmc::nicsim::parts;
using Way = InputOutputBus::Way;

namespace {

struct Fixture {
  EventQueue queue;
  struct End {
    Time time;
    std::uint64_t which;
    bool operator==(const End&) const = default;
  };
  std::vector<End> ends;
  void over(std::uint64_t which) { ends.push_back({queue.now(), which}); }
  void ask_all(InputOutputBus& bus) {
    bus.hold<&Fixture::over>(Way::kReading, 100, *this, 1);
    bus.hold<&Fixture::over>(Way::kWriting, 30, *this, 2);
    bus.hold<&Fixture::over>(Way::kReading, 5, *this, 3);
    queue.run();
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "bus: shared, one after the other") {
  InputOutputBus bus(queue, {.shared = 1});
  ask_all(bus);
  CHECK(ends == std::vector<End>{{100, 1}, {130, 2}, {135, 3}});
  CHECK(bus.counters().held_ps[0] == 105);
  CHECK(bus.counters().held_ps[1] == 30);
  CHECK(bus.counters().waited_ps[0] == 130);
  CHECK(bus.counters().waited_ps[1] == 100);
}

TEST_CASE_FIXTURE(Fixture, "bus: not shared, reading and writing do not meet") {
  InputOutputBus bus(queue, {.shared = 0});
  ask_all(bus);
  CHECK(ends == std::vector<End>{{30, 2}, {100, 1}, {105, 3}});
  CHECK(bus.counters().waited_ps[0] == 100);
  CHECK(bus.counters().waited_ps[1] == 0);
}
