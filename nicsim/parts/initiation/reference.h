// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The shape that all ways to initiate a transfer have in common: a reference goes in; the engine's
// next state, an answer, and perhaps a transfer come out. Pure functions on values, without time.
//
// Each word of memory has a *shadow*: an address that the engine knows how to turn into it. A
// reference to the shadow touches no memory; it passes the address to the engine. The MMU has
// translated and checked it before, as any reference: a process can STORE to the shadow of what it
// may write, and LOAD from the shadow of what it may read. No more is known of who made it.
//
// A way to initiate is a type with
//
//   State                        what the engine remembers; a value that can be compared and ordered
//   refer(state, reference)      what a reference does
//   context_switch(state)        what the kernel does when it gives the processor to another process
//   finished(state)              the transfer under way is over
//   sequence(asker, transfer)    the references of a program that wants a transfer, in their order.
//                                If one is refused, or the last does not start it, it begins again.
//
// All of them are static, and allocate nothing.
//
// Threads: any. Units: sizes are bytes; a negative one takes back what was passed.
#pragma once

#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace vmmc::nicsim::parts::initiation {

using Address = std::uint8_t;  // which word of memory; no mechanism looks into it
using Context = std::uint8_t;  // of the engine; the operating system gives them to processes
using Key = std::uint8_t;

struct Transfer {
  Address source = 0;
  Address destination = 0;
  std::int64_t size = 0;
  auto operator<=>(const Transfer&) const = default;
};

struct Reference {
  enum class Kind : std::uint8_t {
    kStore,        // size -> shadow(address)
    kLoad,         // shadow(address)
    kPassAddress,  // STORE key, context -> shadow(address)
    kStoreSize,    // STORE size -> the page of a register context
    kLoadStatus,   // LOAD from the page of a register context
    kSystemCall,   // source, destination and size to the kernel
  };
  Kind kind = Kind::kStore;
  Address address = 0;      // kSystemCall: the source
  Address destination = 0;  // kSystemCall only
  std::int64_t size = 0;    // kStore, kStoreSize, kSystemCall
  // kPassAddress: as the program says. kStoreSize, kLoadStatus: whose page it is. kStore and kLoad of
  // extended shadow addressing: in the physical address, which the operating system has chosen.
  Context context = 0;
  Key key = 0;           // kPassAddress only: as the program says
  bool allowed = false;  // kSystemCall only: the kernel has found that the caller may do this
  auto operator<=>(const Reference&) const = default;
};

// A LOAD or a system call is answered.
enum class Answer : std::uint8_t {
  kNone,     // a STORE has none
  kTaken,    // an argument has been taken, and there are more to come
  kStarted,  // this reference has started the transfer
  kRefused,  // it has not: what was passed before is not, or no longer, what it completes
};

template <typename State>
struct Outcome {
  State state;
  Answer answer = Answer::kNone;
  std::optional<Transfer> started{};
};

// The longest program of them all has five references.
struct Sequence {
  std::array<Reference, 5> references{};
  std::size_t length = 0;
};

// Who asks: what the operating system has given it.
struct Asker {
  Context context = 0;
  Key key = 0;
};

template <typename M>
concept InitiationMachine = std::totally_ordered<typename M::State> &&
    std::default_initializable<typename M::State> &&
    requires(const typename M::State& state, const Reference& reference, const Asker& asker,
             const Transfer& transfer) {
  { M::refer(state, reference) } -> std::same_as<Outcome<typename M::State>>;
  { M::context_switch(state) } -> std::same_as<typename M::State>;
  { M::finished(state) } -> std::same_as<typename M::State>;
  { M::sequence(asker, transfer) } -> std::same_as<Sequence>;
};

constexpr Reference store_to(Address address, std::int64_t size, Context context = 0) {
  return {.kind = Reference::Kind::kStore, .address = address, .size = size, .context = context};
}
constexpr Reference load_from(Address address, Context context = 0) {
  return {.kind = Reference::Kind::kLoad, .address = address, .context = context};
}

}  // namespace vmmc::nicsim::parts::initiation
