// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/work_meter.h"

#include <doctest/doctest.h>
#include <time.h>

#include <chrono>
#include <thread>

using vmmc::internal::WorkMeter;

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

// Uses the processor for so long.
void work(std::uint64_t ns) {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  const auto in_ns = [&time] {
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
  };
  const std::uint64_t end = in_ns() + ns;
  while (in_ns() < end) {
  }
}

}  // namespace

TEST_CASE("work between operations is measured, and told of once") {
  WorkMeter meter;
  CHECK_FALSE(meter.on());
  meter.start();
  CHECK(meter.on());
  work(3 * kMillisecond);
  meter.stop();
  work(kMillisecond * 50);  // the library's
  CHECK(meter.take() >= 29 * kMillisecond / 10);
  CHECK(meter.take() == 0);
  meter.go();
  work(2 * kMillisecond);
  meter.stop();
  meter.stop();
  const std::uint64_t taken = meter.take();
  CHECK(taken >= 19 * kMillisecond / 10);
  CHECK(taken < 50 * kMillisecond);
}

TEST_CASE("sleeping is no work") {
  WorkMeter meter;
  meter.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  meter.stop();
  CHECK(meter.take() < 100 * kMillisecond);
}

TEST_CASE("declared work counts in place of what was measured since the last operation") {
  WorkMeter meter;
  meter.start();
  work(5 * kMillisecond);
  meter.declare(1000);
  meter.stop();
  const std::uint64_t taken = meter.take();
  CHECK(taken >= 1000);
  CHECK(taken < 5 * kMillisecond);
}

TEST_CASE("a handler leaves the meter as it found it") {
  WorkMeter meter;
  meter.start();
  CHECK(meter.enter_handler());
  meter.leave_handler(true);
  work(2 * kMillisecond);
  meter.stop();
  CHECK(meter.take() >= 19 * kMillisecond / 10);
  CHECK_FALSE(meter.enter_handler());
  meter.leave_handler(false);
  work(2 * kMillisecond);
  meter.stop();
  CHECK(meter.take() == 0);
}

TEST_CASE("each thread has a number, and a meter that stands still before its first operation") {
  WorkMeter meter;
  meter.start();
  CHECK(meter.thread() == 1);
  std::thread([&meter] {
    work(2 * kMillisecond);
    meter.stop();
    CHECK(meter.take() == 0);
    CHECK(meter.thread() == 2);
  }).join();
  WorkMeter next;  // another attachment
  next.start();
  CHECK(next.thread() == 1);
}
