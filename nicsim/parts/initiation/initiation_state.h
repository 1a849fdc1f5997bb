// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How a user program starts a deliberate update with two references (user-level DMA): a STORE of
// the size to the proxy address of the destination, then a LOAD of a status word from the proxy
// address of the source. As pure functions on a value, without time.
//
// The two references and the kernel's duty at each context switch are documented; states, events
// and status bits are recalled:
//
//   Idle          --store-->  DestLoaded    (a negative count is an inval)
//   DestLoaded    --store-->  DestLoaded    (with the new destination)
//   DestLoaded    --load--->  Transferring  (or Idle: source in the destination's own space)
//   DestLoaded    --inval-->  Idle
//   Transferring  --done--->  Idle          (store, load and inval change nothing)
#pragma once

#include <compare>
#include <cstdint>

namespace vmmc::nicsim::parts {

enum class ProxySpace : std::uint8_t { kMemory, kDevice };

struct ProxyAddress {
  ProxySpace space = ProxySpace::kMemory;
  std::uint64_t address = 0;
  auto operator<=>(const ProxyAddress&) const = default;
};

struct InitiationState {
  enum class Phase : std::uint8_t { kIdle, kDestinationLoaded, kTransferring };
  Phase phase = Phase::kIdle;
  ProxyAddress destination;  // unless idle
  ProxyAddress source;       // while transferring
  std::uint64_t count = 0;   // bytes; unless idle
  auto operator<=>(const InitiationState&) const = default;
};

// What the LOAD returns; recalled.
struct InitiationStatus {
  bool initiated = false;  // this reference has started the transfer (the bit itself is active low)
  bool transferring = false;    // a transfer is under way
  bool invalid = false;         // the machine was idle: no destination, or an inval came in between
  bool match = false;           // the transfer under way has this source: a program finds its own
  bool wrong_space = false;     // source and destination are in the same space
  bool device_error = false;    // a destination without an entry in the outgoing page table
  std::uint64_t remaining = 0;  // bytes
  bool operator==(const InitiationStatus&) const = default;
};

constexpr InitiationState inval(const InitiationState& state) {
  return state.phase == InitiationState::Phase::kDestinationLoaded ? InitiationState{} : state;
}

constexpr InitiationState store(const InitiationState& state, ProxyAddress destination,
                                std::int64_t count) {
  if (count < 0) return inval(state);
  if (state.phase == InitiationState::Phase::kTransferring) return state;
  return {.phase = InitiationState::Phase::kDestinationLoaded,
          .destination = destination,
          .source = {},
          .count = static_cast<std::uint64_t>(count)};
}

struct InitiationLoad {
  InitiationState state;
  InitiationStatus status;
};

// `device_ready`: the device can take a transfer to that destination.
constexpr InitiationLoad load(const InitiationState& state, ProxyAddress source,
                              bool device_ready = true) {
  using Phase = InitiationState::Phase;
  switch (state.phase) {
    case Phase::kIdle:
      return {state, {.invalid = true}};
    case Phase::kTransferring:
      return {state,
              {.transferring = true, .match = source == state.source, .remaining = state.count}};
    case Phase::kDestinationLoaded:
      break;
  }
  if (source.space == state.destination.space) return {{}, {.wrong_space = true}};
  if (!device_ready) return {{}, {.device_error = true}};
  InitiationState started = state;
  started.phase = Phase::kTransferring;
  started.source = source;
  return {started,
          {.initiated = true, .transferring = true, .match = true, .remaining = state.count}};
}

// So many bytes of the transfer under way have been read.
constexpr InitiationState progressed(const InitiationState& state, std::uint64_t bytes) {
  InitiationState after = state;
  after.count = bytes < state.count ? state.count - bytes : 0;
  return after;
}

// The transfer is over, or a queue has taken it over from the registers.
constexpr InitiationState done(const InitiationState& state) {
  return state.phase == InitiationState::Phase::kTransferring ? InitiationState{} : state;
}

}  // namespace vmmc::nicsim::parts
