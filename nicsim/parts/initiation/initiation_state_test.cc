// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/initiation/initiation_state.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace vmmc::nicsim::parts;
using Phase = InitiationState::Phase;

namespace {

constexpr ProxyAddress kDestination{ProxySpace::kDevice, 4096};
constexpr ProxyAddress kSource{ProxySpace::kMemory, 512};

InitiationState loaded() { return store({}, kDestination, 40); }
InitiationState transferring() { return load(loaded(), kSource).state; }

// Two processes make their two references in every order; an address tells whose it is. Returns how
// many transfers there were with the one's destination and the other's source.
struct Explorer {
  bool inval_at_switch;
  int started = 0;
  int mixed = 0;

  void explore(const InitiationState& state, int running, int steps) {
    if (steps == 0) return;
    for (int process = 0; process < 2; ++process) {
      const bool switches = process != running && inval_at_switch;
      const InitiationState now = switches ? inval(state) : state;
      const auto own = static_cast<std::uint64_t>(process);
      explore(store(now, {ProxySpace::kDevice, own}, 8), process, steps - 1);
      explore(store(now, {ProxySpace::kDevice, own}, -1), process, steps - 1);
      const InitiationLoad loads = load(now, {ProxySpace::kMemory, own});
      if (loads.status.initiated) {
        ++started;
        if (loads.state.destination.address != loads.state.source.address) ++mixed;
      }
      explore(loads.state, process, steps - 1);
      explore(done(now), process, steps - 1);
    }
  }
};

}  // namespace

TEST_CASE("initiation: a STORE and a LOAD start a transfer") {
  CHECK(loaded().phase == Phase::kDestinationLoaded);
  const InitiationLoad started = load(loaded(), kSource);
  CHECK(started.state == InitiationState{Phase::kTransferring, kDestination, kSource, 40});
  CHECK(started.status ==
        InitiationStatus{.initiated = true, .transferring = true, .match = true, .remaining = 40});
  CHECK(done(started.state) == InitiationState{});
}

TEST_CASE("initiation: a LOAD alone finds an invalid machine") {
  const InitiationLoad alone = load({}, kSource);
  CHECK(alone.status == InitiationStatus{.invalid = true});
  CHECK(alone.state == InitiationState{});
}

TEST_CASE("initiation: the last STORE counts, and a negative count takes it back") {
  const ProxyAddress other{ProxySpace::kDevice, 8192};
  CHECK(store(loaded(), other, 8).destination == other);
  CHECK(store(loaded(), other, 8).count == 8);
  CHECK(store(loaded(), other, -1) == InitiationState{});
  CHECK(store({}, other, -1) == InitiationState{});
}

TEST_CASE("initiation: a context switch takes back what is half done, and nothing else") {
  CHECK(inval(loaded()) == InitiationState{});
  CHECK(load(inval(loaded()), kSource).status.invalid);
  CHECK(inval(transferring()) == transferring());
  CHECK(inval({}) == InitiationState{});
}

TEST_CASE("initiation: who loses the processor between the two references makes both again") {
  const ProxyAddress other_destination{ProxySpace::kDevice, 8192};
  const ProxyAddress other_source{ProxySpace::kMemory, 1024};
  // The first one's STORE, the switch, and all of the other's initiation.
  const InitiationLoad other = load(store(inval(loaded()), other_destination, 8), other_source);
  CHECK(other.status.initiated);
  CHECK(other.state.destination == other_destination);
  // Back: its LOAD fails while the other's transfer is under way, and after it.
  const InitiationLoad meanwhile = load(inval(other.state), kSource);
  CHECK_FALSE(meanwhile.status.initiated);
  CHECK_FALSE(meanwhile.status.match);
  const InitiationLoad afterwards = load(done(meanwhile.state), kSource);
  CHECK(afterwards.status.invalid);
  // Again.
  const InitiationLoad again = load(store(afterwards.state, kDestination, 40), kSource);
  CHECK(again.status.initiated);
  CHECK(again.state == transferring());
}

TEST_CASE("initiation: while a transfer is under way nothing disturbs it") {
  CHECK(store(transferring(), kDestination, 8) == transferring());
  CHECK(store(transferring(), kDestination, -1) == transferring());
  const InitiationLoad own = load(progressed(transferring(), 30), kSource);
  CHECK(own.status == InitiationStatus{.transferring = true, .match = true, .remaining = 10});
  const InitiationLoad other = load(transferring(), {ProxySpace::kMemory, 1024});
  CHECK(other.status == InitiationStatus{.transferring = true, .match = false, .remaining = 40});
  CHECK(other.state == transferring());
  CHECK(progressed(transferring(), 50).count == 0);
  CHECK(done(loaded()) == loaded());
}

TEST_CASE("initiation: both in one space, or a device that cannot, start nothing") {
  const InitiationLoad wrong = load(loaded(), {ProxySpace::kDevice, 512});
  CHECK(wrong.status == InitiationStatus{.wrong_space = true});
  CHECK(wrong.state == InitiationState{});
  const InitiationLoad error = load(loaded(), kSource, false);
  CHECK(error.status == InitiationStatus{.device_error = true});
  CHECK(error.state == InitiationState{});
}

TEST_CASE("initiation: with an inval at each context switch no two processes share a transfer") {
  Explorer with{.inval_at_switch = true};
  with.explore({}, 0, 6);
  CHECK(with.started > 0);
  CHECK(with.mixed == 0);
  Explorer without{.inval_at_switch = false};
  without.explore({}, 0, 6);
  CHECK(without.mixed > 0);
}
