// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Key-based initiation: the engine has a few register contexts, each in a page of its own. The
// operating system maps it to one process, and tells that process and the engine a secret key for it.
//
//   STORE key, context -> shadow(destination)    the first address that the context is passed
//   STORE key, context -> shadow(source)         the second
//   STORE size         -> page of the context    the third argument
//   LOAD  status       <- page of the context    the engine starts if it has all three, and forgets
//                                                them in any case
//
// Register contexts, their pages, and keys that come with the addresses are published. The order, and
// what becomes of an argument too many, are ours. A program must be able to write its source, too:
// only a STORE can carry a key.
//
//   remembers   the key of each context, and what it has been passed. An address that comes with
//               another key is ignored, and so is a third one
//   answers     to the LOAD: kStarted, or kRefused if arguments are missing
//   safe        only the owner of a context knows its key, so only it passes addresses there, and only
//               it can refer to the page; who runs in between changes nothing of it. With a guessed
//               key that is over: the guesser puts an address of its own between those of the victim.
//               (An engine that counted, and refused a third address, would not mix them up, but the
//               guesser could keep the victim from ever starting anything.)
//   given up    what was passed stays until a LOAD, and the next transfer would get an address of it. A
//               program that gives up half-way STOREs a negative size and LOADs; so does the kernel
//               before it gives the context of a process that has died to another
#pragma once

#include "nicsim/parts/initiation/reference.h"

namespace vmmc::nicsim::parts::initiation {

struct KeyBased {
  static constexpr std::size_t kContexts = 4;

  // What the operating system has drawn for a context: here, a value that no other context has.
  static constexpr Key key_of(Context context) { return static_cast<Key>(context + 101); }

  struct Registers {
    std::uint8_t addresses = 0;  // passed: 0, 1, 2
    Address destination = 0;
    Address source = 0;
    std::optional<std::int64_t> size;
    auto operator<=>(const Registers&) const = default;
  };
  struct State {
    std::array<Registers, kContexts> contexts{};
    auto operator<=>(const State&) const = default;
  };

  static constexpr Outcome<State> refer(const State& state, const Reference& reference) {
    if (reference.context >= kContexts) return {state, Answer::kRefused};
    State next = state;
    Registers& registers = next.contexts[reference.context];
    switch (reference.kind) {
      case Reference::Kind::kPassAddress:
        if (reference.key == key_of(reference.context)) pass(registers, reference.address);
        return {next};
      case Reference::Kind::kStoreSize:
        registers.size = reference.size;
        return {next};
      case Reference::Kind::kLoadStatus:
        return start(next, registers);
      default:
        return {state, Answer::kRefused};
    }
  }
  static constexpr State context_switch(const State& state) { return state; }
  static constexpr State finished(const State& state) { return state; }
  static constexpr Sequence sequence(const Asker& asker, const Transfer& transfer) {
    using Kind = Reference::Kind;
    const auto pass = [&](Address address) {
      return Reference{.kind = Kind::kPassAddress,
                       .address = address,
                       .context = asker.context,
                       .key = asker.key};
    };
    return {{pass(transfer.destination), pass(transfer.source),
             Reference{.kind = Kind::kStoreSize, .size = transfer.size, .context = asker.context},
             Reference{.kind = Kind::kLoadStatus, .context = asker.context}},
            4};
  }

 private:
  static constexpr void pass(Registers& registers, Address address) {
    if (registers.addresses == 2) return;
    (registers.addresses == 0 ? registers.destination : registers.source) = address;
    ++registers.addresses;
  }
  static constexpr Outcome<State> start(State& next, Registers& registers) {
    const Registers passed = registers;
    registers = {};
    if (passed.addresses != 2 || !passed.size || *passed.size < 0) return {next, Answer::kRefused};
    return {next, Answer::kStarted, Transfer{passed.source, passed.destination, *passed.size}};
  }
};

}  // namespace vmmc::nicsim::parts::initiation
