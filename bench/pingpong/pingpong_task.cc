// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/pingpong/tasks.h"
#include "bench/support/machine.h"

namespace vmmc::bench {
namespace {

// The two directions of one measurement must not carry the same bytes.
MessageNumber ping(std::uint32_t stream, std::uint64_t i) { return {2 * stream, i}; }
MessageNumber pong(std::uint32_t stream, std::uint64_t i) { return {2 * stream + 1, i}; }

}  // namespace

platform::Histogram measure_pingpong(Link& link, std::uint64_t bytes, std::uint64_t count) {
  const SlotLayout layout{bytes};
  const std::uint32_t stream = link.give({.task = Task::kPingpong,
                                          .stream = 0,
                                          .bytes = bytes,
                                          .slots = 1,
                                          .count = count,
                                          .start = 0,
                                          .period = 0});
  platform::Histogram round_trips;
  for (std::uint64_t i = 1; i <= count; ++i) {
    link.clear(layout, 0);
    link.fill(layout, 0, ping(stream, i));
    link.await_ready();
    const std::uint64_t start = now();
    link.send_message(layout, 0);
    link.await_message(layout, 0);
    round_trips.record(now() - start);
    link.check(layout, 0, pong(stream, i));
  }
  return round_trips;
}

void answer_pingpong(Link& link, const Command& command) {
  const SlotLayout layout{command.bytes};
  for (std::uint64_t i = 1; i <= command.count; ++i) {
    link.clear(layout, 0);
    link.fill(layout, 0, pong(command.stream, i));
    link.say_ready();
    link.await_message(layout, 0);
    link.send_message(layout, 0);
    link.check(layout, 0, ping(command.stream, i));
  }
}

}  // namespace vmmc::bench
