// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/parts/event_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace vmmc::nicsim::parts {
namespace {

struct Recorder {
  EventQueue& queue;
  std::vector<std::pair<Time, std::uint64_t>> seen;

  void happen(std::uint64_t argument) { seen.emplace_back(queue.now(), argument); }
  // An event that enters one for the present time, and one for later.
  void multiply(std::uint64_t argument) {
    happen(argument);
    queue.after<&Recorder::happen>(0, *this, argument + 1);
    queue.after<&Recorder::happen>(5, *this, argument + 2);
  }
};

using Seen = std::vector<std::pair<Time, std::uint64_t>>;

TEST_CASE("events happen in the order of their times, those of one time in the order of entry") {
  EventQueue queue;
  Recorder recorder{queue, {}};
  CHECK(queue.empty());
  CHECK(queue.next() == kNever);
  CHECK_FALSE(queue.step());
  const std::vector<Time> times = {30, 10, 20, 10, 30, 10, 0};
  for (std::size_t i = 0; i < times.size(); ++i) queue.at<&Recorder::happen>(times[i], recorder, i);
  CHECK(queue.next() == 0);
  queue.run();
  CHECK(recorder.seen == Seen{{0, 6}, {10, 1}, {10, 3}, {10, 5}, {20, 2}, {30, 0}, {30, 4}});
  CHECK(queue.now() == 30);
  CHECK(queue.executed() == times.size());
  CHECK(queue.empty());
}

TEST_CASE(
    "an event may enter events, for the present time too: they come after those entered before") {
  EventQueue queue;
  Recorder recorder{queue, {}};
  queue.at<&Recorder::multiply>(7, recorder, 100);
  queue.at<&Recorder::happen>(7, recorder, 1);
  queue.at<&Recorder::happen>(12, recorder, 2);
  queue.run();
  CHECK(recorder.seen == Seen{{7, 100}, {7, 1}, {7, 101}, {12, 2}, {12, 102}});
}

TEST_CASE("run_until stops after the last event of its time, and the clock stands at it") {
  EventQueue queue;
  Recorder recorder{queue, {}};
  for (const Time time : {5, 10, 11}) queue.at<&Recorder::happen>(time, recorder, time);
  queue.run_until(10);
  CHECK(recorder.seen == Seen{{5, 5}, {10, 10}});
  CHECK(queue.now() == 10);
  CHECK(queue.next() == 11);
  queue.run_until(20);
  CHECK(recorder.seen.size() == 3);
  CHECK(queue.now() == 20);
}

// Against a stable sort: 20,000 events, at few different times so that many are of one time.
TEST_CASE("many events come out like a stable sort of them") {
  EventQueue queue;
  Recorder recorder{queue, {}};
  Seen expected;
  std::uint64_t state = 1;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const Time time = (state >> 33) % 3000;
    queue.at<&Recorder::happen>(time, recorder, i);
    expected.emplace_back(time, i);
  }
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& one, const auto& other) { return one.first < other.first; });
  queue.run();
  CHECK(recorder.seen == expected);
}

TEST_CASE(
    "what is to happen after the end of simulated time never happens, and nothing runs backwards") {
  EventQueue queue;
  Recorder recorder{queue, {}};
  queue.at<&Recorder::happen>(kLastTime, recorder, 1);
  CHECK_FALSE(queue.is_over());
  queue.after<&Recorder::happen>(kNever, recorder, 2);
  CHECK(queue.is_over());
  queue.run();
  CHECK(recorder.seen == Seen{{kLastTime, 1}});
  queue.after<&Recorder::happen>(1, recorder, 3);
  queue.after<&Recorder::happen>(kLastTime, recorder, 4);
  queue.after<&Recorder::happen>(kNever, recorder, 5);
  CHECK(queue.empty());
  queue.after<&Recorder::happen>(0, recorder, 6);
  queue.run();
  CHECK(recorder.seen == Seen{{kLastTime, 1}, {kLastTime, 6}});
}

TEST_CASE("times that are too long are never") {
  CHECK(from_ns(1e17) == kNever);
  CHECK(from_ns(1e300) == kNever);
  CHECK(time_of_bytes(1ull << 62, 0.001) == kNever);
  CHECK(sum(5, 6) == 11);
  CHECK(sum(kLastTime, kLastTime) == kNever - 1);
  CHECK(sum(kNever, 1) == kNever);
  CHECK(sum(kLastTime + 2, kLastTime) == kNever);
}

TEST_CASE("times of bytes and nanoseconds") {
  CHECK(time_of_bytes(1, 200) == 5000);
  CHECK(time_of_bytes(4096, 200) == 20480000);
  CHECK(time_of_bytes(4096, 0) == 0);
  CHECK(from_ns(1.5) == 1500);
  CHECK(to_ns(1500) == doctest::Approx(1.5));
}

}  // namespace
}  // namespace vmmc::nicsim::parts
