// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Two processes on one processor, and the engine: everything that can happen between them.
//
// The victim wants two transfers, A -> B and then E -> B, and makes the references that the mechanism
// prescribes. The attacker makes any reference that the MMU lets it make, at any time, as often as
// it likes: its program has no end. The processor may change hands between any two references.
//
//   A, B, E   the victim's, which may read and write them; the attacker may read A if it is shared,
//             and B if it is readable
//   C, D      the attacker's
//
// The victim may come to an end half-way through a sequence, if the circumstances have it so: it gives
// up that transfer and wants the next one, or it dies. What it leaves may then be the attacker's: its
// context with the key, or B; the rest is given to others, who do nothing. Before that, what it has
// passed is taken back by references that every engine understands or ignores (take_back), in one
// piece; or it is not. Not explored: that a living process loses a page or its context.
//
// What must hold:
//   S1  no transfer is started whose source and destination are not both allowed to one process
//   S2  a transfer that only the victim is allowed is started only if the victim wants that one now
//   S3  answers are true: who is told kStarted has asked for what was started, and nobody else's
//       reference starts it, so that who is not told knows that nothing was
//   L   from every world that can come about, the victim, left alone, gets its transfer started
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <string>
#include <vector>

#include "nicsim/parts/initiation/interleavings.h"
#include "nicsim/parts/initiation/reference.h"

namespace vmmc::nicsim::parts::initiation {

enum Page : Address { kA, kB, kC, kD, kE };
inline constexpr std::array kPages = {kA, kB, kC, kD, kE};
inline constexpr std::array kAttackersSizes = {1, 2, -1};

enum class Ending : std::uint8_t { kNone, kGivesUp, kDiesLeavingContext, kDiesLeavingDestination };

struct Circumstances {
  bool source_is_shared = false;         // the attacker may read A
  bool destination_is_readable = false;  // the attacker may read B
  bool key_is_guessed = false;           // the attacker knows the victim's
  Ending ending = Ending::kNone;         // what the victim may do between any two references
  bool is_taken_back = true;             // what it has passed until then
};

enum class Process : std::uint8_t { kVictim, kAttacker };

template <InitiationMachine M>
struct World {
  typename M::State engine{};
  Process running = Process::kVictim;
  std::uint8_t done = 0;  // of the victim's transfers
  std::uint8_t step = 0;  // of the sequence
  bool is_dead = false;   // the victim
  auto operator<=>(const World&) const = default;
};

template <InitiationMachine M>
class TwoProcesses {
 public:
  // What the operating system has given each of them.
  TwoProcesses(Circumstances circumstances, Key victims_key, Key attackers_key)
      : circumstances_(circumstances), victim_{0, victims_key}, attacker_{1, attackers_key} {}

  std::vector<Move<World<M>>> moves(const World<M>& world) const {
    std::vector<Move<World<M>>> moves;
    if (world.running == Process::kAttacker) {
      for (const Reference& one : attackers_references(world)) moves.push_back(attack(world, one));
    } else if (wants(world)) {
      moves.push_back(victims_move(world));
    }
    if (gives_up(world)) moves.push_back({given_up(world), "the victim gives up", {}});
    if (dies(world)) moves.push_back({died(world), "the victim dies", {}});
    moves.push_back({switched(world), switch_text(world), {}});
    World<M> finished = world;
    finished.engine = M::finished(world.engine);
    if (finished != world) moves.push_back({finished, "the engine has finished", {}});
    return moves;
  }

  // L.
  std::string check(const World<M>& world) const {
    if (!wants(world)) return {};
    World<M> alone = world.running == Process::kVictim ? world : switched(world);
    for (std::size_t attempt = 0; attempt < 3 * Sequence{}.references.size(); ++attempt) {
      if (alone.step == 0) alone.engine = M::finished(alone.engine);
      alone = victims_move(alone).next;
      if (alone.done != world.done) return {};
    }
    return "L: left alone, the victim gets nothing started";
  }

  Exploration explore() const {
    const auto moves_of = [this](const World<M>& world) { return moves(world); };
    const auto check_of = [this](const World<M>& world) { return check(world); };
    return Interleavings<World<M>, decltype(moves_of), decltype(check_of)>(moves_of, check_of)
        .explore({});
  }

 private:
  static constexpr std::array<Transfer, 2> kWanted = {{{kA, kB, 1}, {kE, kB, 1}}};

  static bool wants(const World<M>& world) { return world.done < kWanted.size(); }
  bool may_write(const World<M>& world, Process who, Address page) const {
    const bool is_left = world.is_dead && page == kB && leaves(Ending::kDiesLeavingDestination);
    if (page == kC || page == kD || is_left) return who == Process::kAttacker;
    return who == Process::kVictim && !world.is_dead;
  }
  bool may_read(const World<M>& world, Process who, Address page) const {
    return may_write(world, who, page) || (page == kA && circumstances_.source_is_shared) ||
           (page == kB && circumstances_.destination_is_readable);
  }
  bool may(const World<M>& world, Process who, const Transfer& transfer) const {
    return may_read(world, who, transfer.source) && may_write(world, who, transfer.destination);
  }

  bool leaves(Ending ending) const { return circumstances_.ending == ending; }
  bool gives_up(const World<M>& world) const {
    return leaves(Ending::kGivesUp) && world.running == Process::kVictim && world.step > 0;
  }
  World<M> given_up(World<M> world) const {
    if (circumstances_.is_taken_back) world.engine = take_back(world.engine);
    ++world.done;
    world.step = 0;
    return world;
  }
  bool dies(const World<M>& world) const {
    return !world.is_dead && world.running == Process::kVictim &&
           (leaves(Ending::kDiesLeavingContext) || leaves(Ending::kDiesLeavingDestination));
  }
  // The attacker runs next: a death is a context switch, too.
  World<M> died(World<M> world) const {
    world = switched(world);
    if (circumstances_.is_taken_back) world.engine = take_back(world.engine);
    world.done = kWanted.size();
    world.step = 0;
    world.is_dead = true;
    return world;
  }
  // A negative size to a shadow and to the page of the context, whose LOAD cannot start anything then.
  typename M::State take_back(typename M::State engine) const {
    const Context context = victim_.context;
    const std::array<Reference, 3> references = {
        store_to(kB, -1, context),
        {.kind = Reference::Kind::kStoreSize, .size = -1, .context = context},
        {.kind = Reference::Kind::kLoadStatus, .context = context}};
    for (const Reference& one : references) engine = M::refer(engine, one).state;
    return engine;
  }

  World<M> switched(World<M> world) const {
    world.engine = M::context_switch(world.engine);
    world.running = world.running == Process::kVictim ? Process::kAttacker : Process::kVictim;
    return world;
  }
  static std::string switch_text(const World<M>& world) {
    return world.running == Process::kVictim ? "switch to the attacker" : "switch to the victim";
  }

  Move<World<M>> victims_move(const World<M>& world) const {
    const Sequence sequence = M::sequence(victim_, kWanted[world.done]);
    Reference reference = sequence.references[world.step];
    reference.allowed = may(world, Process::kVictim, kWanted[world.done]);
    const auto outcome = M::refer(world.engine, reference);
    World<M> next = world;
    next.engine = outcome.state;
    ++next.step;
    if (outcome.answer == Answer::kRefused || next.step == sequence.length) next.step = 0;
    if (outcome.answer == Answer::kStarted) {
      ++next.done;
      next.step = 0;
    }
    return {next, "victim: " + text_of(reference, outcome), judge(world, outcome)};
  }

  Move<World<M>> attack(const World<M>& world, const Reference& reference) const {
    const auto outcome = M::refer(world.engine, reference);
    World<M> next = world;
    next.engine = outcome.state;
    return {next, "attacker: " + text_of(reference, outcome), judge(world, outcome)};
  }

  // Everything that the MMU and the kernel's tables let it do.
  std::vector<Reference> attackers_references(const World<M>& world) const {
    constexpr Process kWho = Process::kAttacker;
    std::vector<Reference> all;
    for (const Page page : kPages) {
      for (const Context context : own_contexts(world)) {
        if (may_read(world, kWho, page)) all.push_back(load_from(page, context));
        if (!may_write(world, kWho, page)) continue;
        for (const int size : kAttackersSizes) all.push_back(store_to(page, size, context));
      }
      if (may_write(world, kWho, page)) pass_address(world, page, all);
      for (const Page destination : kPages) {
        all.push_back({.kind = Reference::Kind::kSystemCall,
                       .address = page,
                       .destination = destination,
                       .size = 1,
                       .allowed = may(world, kWho, {page, destination, 1})});
      }
    }
    for (const Context context : own_contexts(world)) {
      for (const int size : kAttackersSizes) {
        all.push_back({.kind = Reference::Kind::kStoreSize, .size = size, .context = context});
      }
      all.push_back({.kind = Reference::Kind::kLoadStatus, .context = context});
    }
    return all;
  }
  // The program says which context and which key, be they its own or not.
  void pass_address(const World<M>& world, Address page, std::vector<Reference>& all) const {
    for (const Context context : {attacker_.context, victim_.context}) {
      for (const Key key : known_keys(world)) {
        all.push_back({.kind = Reference::Kind::kPassAddress,
                       .address = page,
                       .context = context,
                       .key = key});
      }
    }
  }
  bool has_inherited_context(const World<M>& world) const {
    return world.is_dead && leaves(Ending::kDiesLeavingContext);
  }
  std::vector<Context> own_contexts(const World<M>& world) const {
    if (has_inherited_context(world)) return {attacker_.context, victim_.context};
    return {attacker_.context};
  }
  std::vector<Key> known_keys(const World<M>& world) const {
    if (circumstances_.key_is_guessed || has_inherited_context(world)) {
      return {attacker_.key, victim_.key};
    }
    return {attacker_.key};
  }

  // S1, S2, S3 of what the reference of the running process has done.
  std::string judge(const World<M>& before, const Outcome<typename M::State>& outcome) const {
    if (outcome.started.has_value() != (outcome.answer == Answer::kStarted)) {
      return "S3: the answer is not what happened";
    }
    if (!outcome.started) return {};
    const Transfer& started = *outcome.started;
    const bool victims = may(before, Process::kVictim, started);
    const bool attackers = may(before, Process::kAttacker, started);
    const bool wanted = wants(before) && started == kWanted[before.done];
    if (!victims && !attackers) return "S1: neither process may do that";
    if (victims && !attackers && !wanted) return "S2: the victim does not want that";
    if (before.running == Process::kVictim && !wanted) return "S3: the victim is told a lie";
    if (before.running == Process::kAttacker && !attackers) {
      return "S3: the attacker is told of it, and the victim will not be";
    }
    return {};
  }

  static std::string name_of(Address page) { return {static_cast<char>('A' + page)}; }
  static std::string text_of(const Reference& reference,
                             const Outcome<typename M::State>& outcome) {
    const std::string page = name_of(reference.address);
    const std::string size = std::to_string(reference.size);
    const std::string context = std::to_string(reference.context);
    std::string text;
    switch (reference.kind) {
      case Reference::Kind::kStore:
        text = "STORE " + size + " -> shadow(" + page + ")";
        break;
      case Reference::Kind::kLoad:
        text = "LOAD <- shadow(" + page + ")";
        break;
      case Reference::Kind::kPassAddress:
        text = "STORE key " + std::to_string(reference.key) + ", context " + context +
               " -> shadow(" + page + ")";
        break;
      case Reference::Kind::kStoreSize:
        text = "STORE " + size + " -> context " + context;
        break;
      case Reference::Kind::kLoadStatus:
        text = "LOAD <- context " + context;
        break;
      case Reference::Kind::kSystemCall:
        text = "system call " + page + " -> " + name_of(reference.destination);
        break;
    }
    if (!outcome.started) return text;
    return text + " starts " + name_of(outcome.started->source) + " -> " +
           name_of(outcome.started->destination);
  }

  Circumstances circumstances_;
  Asker victim_;
  Asker attacker_;
};

}  // namespace vmmc::nicsim::parts::initiation
