// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/pace.h"

#include <doctest/doctest.h>

#include <thread>

using vmmc::nicsim::Pace;
using namespace std::chrono_literals;

namespace {

constexpr auto kNeverAgain = Pace::Clock::time_point::max();
constexpr std::uint64_t kMillisecond = 1'000'000'000;  // ps

// As the engine does: it asks, and then moves one.
bool take_packet(Pace& pace) {
  if (!pace.may_pass()) return false;
  pace.packet_passed();
  return true;
}

}  // namespace

TEST_CASE("at full speed everything may pass") {
  Pace pace;
  CHECK(pace.is_full());
  CHECK(pace.mode() == Pace::Mode::kFull);
  CHECK(take_packet(pace));
  CHECK(pace.may_reach(5 * kMillisecond));
  CHECK(pace.is_full());
}

TEST_CASE("while it is paused only steps pass, one packet each") {
  Pace pace;
  pace.step();  // counts for nothing
  pace.pause();
  CHECK_FALSE(pace.is_full());
  CHECK_FALSE(take_packet(pace));
  CHECK(pace.ask_again() == kNeverAgain);
  pace.step();
  CHECK(pace.ask_again() < kNeverAgain);
  CHECK(take_packet(pace));
  CHECK_FALSE(take_packet(pace));
  SUBCASE("steps that were not taken are forgotten by a new pause") {
    pace.step();
    pace.pause();
    CHECK_FALSE(take_packet(pace));
  }
  pace.step();
  pace.full();
  CHECK(pace.is_full());
  pace.pause();
  CHECK_FALSE(take_packet(pace));
}

TEST_CASE("steps do not pile up while nothing waits for them") {
  Pace pace;
  pace.pause();
  for (int i = 0; i < 3; ++i) pace.step();
  SUBCASE("in real time") {
    CHECK(take_packet(pace));
    CHECK_FALSE(take_packet(pace));
  }
  SUBCASE("in simulated time") {
    CHECK(pace.may_reach(0));
    pace.packet_passed();
    CHECK_FALSE(pace.may_reach(0));
  }
}

TEST_CASE("who asks and moves no packet uses nothing up") {
  Pace pace;
  SUBCASE("paused") {
    pace.pause();
    pace.step();
  }
  SUBCASE("slow") { pace.slow(1h, 1); }
  for (int i = 0; i < 3; ++i) CHECK(pace.may_pass());
  pace.packet_passed();
  CHECK_FALSE(pace.may_pass());
}

TEST_CASE("a step of simulated time lasts until a packet has landed") {
  Pace pace;
  pace.pause();
  CHECK_FALSE(pace.may_reach(0));
  pace.step();
  CHECK(pace.may_reach(0));
  CHECK(pace.may_reach(7 * kMillisecond));
  pace.packet_passed();
  CHECK_FALSE(pace.may_reach(7 * kMillisecond));
  CHECK(pace.ask_again() == kNeverAgain);
  pace.packet_passed();  // of a step that is over: nothing
  pace.step();
  CHECK(pace.may_reach(7 * kMillisecond));
}

TEST_CASE("slow: a packet each interval") {
  Pace pace;
  pace.slow(1h, 1);
  CHECK_FALSE(pace.is_full());
  const auto before = Pace::Clock::now();
  CHECK(take_packet(pace));
  CHECK_FALSE(take_packet(pace));
  CHECK(pace.ask_again() >= before + 1h);
  pace.slow(1ms, 1);
  CHECK(take_packet(pace));
  std::this_thread::sleep_until(pace.ask_again());
  CHECK(take_packet(pace));
}

TEST_CASE("slow: simulated time passes so much more slowly") {
  Pace pace;
  pace.slow(0ns, 3.6e6);
  const auto before = Pace::Clock::now();
  CHECK(pace.may_reach(100 * kMillisecond));  // where it begins
  CHECK_FALSE(pace.may_reach(101 * kMillisecond));
  CHECK(pace.ask_again() >= before + 1h);
  CHECK(pace.ask_again() <= Pace::Clock::now() + 1h);
  pace.slow(0ns, 2);
  CHECK(pace.may_reach(101 * kMillisecond));
  (void)pace.may_reach(102 * kMillisecond);
  std::this_thread::sleep_until(pace.ask_again());
  CHECK(pace.may_reach(102 * kMillisecond));
}

TEST_CASE("slow: real time that passes while nothing is to happen is no credit") {
  Pace pace;
  pace.slow(0ns, 3.6e6);
  CHECK(pace.may_reach(0));
  std::this_thread::sleep_for(20ms);
  const auto asked = Pace::Clock::now();
  CHECK_FALSE(pace.may_reach(kMillisecond));
  CHECK(pace.ask_again() >= asked + 1h);
  const auto again = pace.ask_again();
  CHECK_FALSE(pace.may_reach(kMillisecond));
  CHECK(pace.ask_again() == again);  // who asks again does not wait for longer
}

TEST_CASE("slow: each event has its distance from the one before it") {
  Pace pace;
  pace.slow(0ns, 1);
  CHECK(pace.may_reach(0));
  CHECK(pace.may_reach(0));
  const auto begun = Pace::Clock::now();
  for (std::uint64_t event = 1; event <= 3; ++event) {
    const std::uint64_t time = event * 2 * kMillisecond;
    while (!pace.may_reach(time)) std::this_thread::sleep_until(pace.ask_again() + 3ms);
    CHECK(Pace::Clock::now() - begun >= (event * 2 + (event - 1) * 3) * 1ms);
  }
  SUBCASE("one that comes before the one that is waited for") {
    CHECK_FALSE(pace.may_reach(3'600'000 * kMillisecond));
    CHECK(pace.may_reach(6 * kMillisecond));
  }
}

TEST_CASE(
    "who goes back to full speed waits for nothing that the slow pace had still to wait for") {
  Pace pace;
  SUBCASE("in real time") {
    pace.slow(1h, 1);
    CHECK(take_packet(pace));
  }
  SUBCASE("in simulated time") {
    pace.slow(0ns, 1e12);
    CHECK(pace.may_reach(0));
    CHECK_FALSE(pace.may_reach(kMillisecond));
  }
  SUBCASE("from an interval for ever") {
    pace.slow(std::chrono::nanoseconds::max(), 1);
    CHECK(take_packet(pace));
    CHECK_FALSE(take_packet(pace));
  }
  SUBCASE("another slow pace begins anew") {
    pace.slow(1h, 1);
    CHECK(take_packet(pace));
    pace.slow(1ns, 1);
    CHECK(take_packet(pace));
  }
  pace.full();
  CHECK(pace.is_full());
  CHECK(take_packet(pace));
  CHECK(pace.may_reach(2 * kMillisecond));
}

TEST_CASE("what is held stays held until full speed") {
  Pace pace;
  const auto until = Pace::Clock::now() + 1h;
  pace.hold_until(until);
  pace.hold_until(until - 10ms);  // no shorter
  CHECK_FALSE(pace.is_full());
  CHECK_FALSE(take_packet(pace));
  CHECK_FALSE(pace.may_reach(0));
  CHECK(pace.ask_again() == until);
  pace.slow(1ns, 1);
  CHECK_FALSE(take_packet(pace));
  pace.pause();
  pace.step();
  CHECK_FALSE(take_packet(pace));
  CHECK(pace.ask_again() == until);
  pace.full();
  CHECK(pace.is_full());
  CHECK(take_packet(pace));
  CHECK(pace.may_reach(0));
}

TEST_CASE("a hold that is over is forgotten") {
  Pace pace;
  pace.hold_for(1ms);
  std::this_thread::sleep_until(pace.ask_again());
  SUBCASE("in real time") { CHECK(take_packet(pace)); }
  SUBCASE("in simulated time") { CHECK(pace.may_reach(0)); }
  CHECK(pace.is_full());
}
