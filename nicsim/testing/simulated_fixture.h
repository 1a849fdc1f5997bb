// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests of simulated time: a client that parks as the library would, in the test's own thread.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>

#include "nicsim/parts/testing/tables.h"
#include "nicsim/testing/fake_client.h"

namespace vmmc::nicsim::testing {

// One thread, in context 0; others by their numbers.
class SimulatedClient : public FakeClient {
 public:
  using FakeClient::FakeClient;

  wire::TimeContext& context(std::uint32_t number = 0) { return channel().time_contexts[number]; }
  bool runs(std::uint32_t number = 0) {
    return context(number).state.load() == static_cast<std::uint32_t>(wire::ContextState::kRunning);
  }
  std::uint64_t clock(std::uint32_t number = 0) { return context(number).clock; }

  void set(wire::ContextState state, std::uint32_t number = 0) {
    context(number).state.store(static_cast<std::uint32_t>(state));
  }
  void park(std::uint64_t wait, std::uint32_t reasons = 0, std::uint32_t number = 0) {
    context(number).wait = wait;
    context(number).reasons = reasons;
    context(number).woken.store(0);
    ++context(number).parks;
    set(wire::ContextState::kParked, number);
  }
};

struct SimulatedFixture : MachineFixture {
  SimulatedFixture() { machine.use_simulated_time(); }

  static constexpr std::uint64_t kNanosecond = parts::kPicosecondsPerNanosecond;
  static constexpr std::uint64_t kMicrosecond = 1000 * kNanosecond;
};

}  // namespace vmmc::nicsim::testing
