// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Extended shadow addressing: the shadow's physical address has one or two bits more, a context id,
// which the operating system sets when it maps the shadow pages of a process. The program makes the
// same references as SHRIMP's, and names virtual addresses only, so it cannot choose the id:
//
//   STORE size   -> shadow(destination)    the engine notes destination and size for that context
//   LOAD  status <- shadow(source)         the engine starts if that context has a destination
//
//   remembers   for each context a destination with its size
//   answers     to the LOAD: kStarted, or kRefused if its context has no destination
//   safe        a LOAD completes a STORE of its own context only; a context is one process's, and that
//               one's references are in the order of its program. Whoever else runs between them
//               changes other contexts. Before a context goes from a process that has died to
//               another, the kernel STOREs a negative size there, which makes the engine forget
//
// There are two to four contexts. A process that was given none has no shadow pages, and initiates by
// the kernel (kernel_call.h).
#pragma once

#include "nicsim/parts/initiation/reference.h"

namespace vmmc::nicsim::parts::initiation {

template <std::size_t kContexts>
struct ExtendedShadowMachine {
  static_assert(kContexts >= 2 && kContexts <= 4, "one or two bits of the address");

  struct Half {
    Address destination = 0;
    std::int64_t size = 0;
    auto operator<=>(const Half&) const = default;
  };
  struct State {
    std::array<std::optional<Half>, kContexts> halves{};
    auto operator<=>(const State&) const = default;
  };

  static constexpr Outcome<State> refer(const State& state, const Reference& reference) {
    const bool is_store = reference.kind == Reference::Kind::kStore;
    if ((!is_store && reference.kind != Reference::Kind::kLoad) || reference.context >= kContexts) {
      return {state, Answer::kRefused};
    }
    State next = state;
    std::optional<Half>& half = next.halves[reference.context];
    if (is_store) {
      half.reset();
      if (reference.size >= 0) half = Half{reference.address, reference.size};
      return {next};
    }
    if (!half) return {next, Answer::kRefused};
    const Transfer transfer{reference.address, half->destination, half->size};
    half.reset();
    return {next, Answer::kStarted, transfer};
  }
  static constexpr State context_switch(const State& state) { return state; }
  static constexpr State finished(const State& state) { return state; }
  static constexpr Sequence sequence(const Asker& asker, const Transfer& transfer) {
    return {{store_to(transfer.destination, transfer.size, asker.context),
             load_from(transfer.source, asker.context)},
            2};
  }
};

using ExtendedShadow = ExtendedShadowMachine<4>;

}  // namespace vmmc::nicsim::parts::initiation
