// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The nic executor of one real-time channel: takes datagrams from the sender's outgoing queue,
// checks them, carries them packet by packet, and makes them visible to the receiver in the order
// they were sent.
//
//   page     one packet, and no byte is moved: the page is lent, its slot is written
//   buffer   a packet for each fragment, straight from the sender's buffer to its final place in
//            the receiver's; what has arrived is a set of fragments, so their order does not matter
//
// A datagram that is refused or lost becomes a kLost slot; its page, or the buffer it was for, goes
// back to the sender by Verdict::returns. The sender's own buffer is free when `carried_out` has
// passed it.
//
// What the fault plan does (it strikes fragments, and packets that lend a page)
//   dropped    nobody is told: the datagram is lost at its deadline, counted from its first packet,
//              and not before all of them were made
//   corrupted  the receiving interface finds out: the datagram is lost at once
//   delayed    the packet comes later, and others, also of its own datagram, before it
// Those behind an incomplete datagram wait for it, but no longer than until its deadline. Nothing
// is lost without a fault, however late nicsim is.
//
// What there is to see of them: nicsim/real_time/datagram_trace.h.
//
// Policing
//   A datagram goes first if it is within the budget by its eligible time: when it was sent, by its
//   sender's word, but neither before the last time that nicsim could have taken nothing here, nor
//   longer ago than the deadline, within which what is admitted is served. So it does not matter
//   when nicsim takes it: one that waited for other channels, as it may, leaves its sender the
//   whole of its next period; and whoever lies about the time gets no more than if he had sent so.
//   The others go beyond the budget, all their packets, and are not counted.
//
// Threads: nicsim's one. The sender changes the source part at any time, the receiver the demand
// part: each value is read once, copied and checked.
//
// Invariants
//   A page or buffer that is out, that is, that has been handed to the receiver and has not come
//   back, is not taken again. At most `depth` datagrams are under way. The arrival queue never
//   overruns slots that the receiver has not passed (wire::ChannelDemand: received + lost +
//   malformed).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

#include "nicsim/fault_plan.h"
#include "nicsim/real_time/admission.h"
#include "nicsim/real_time/channel_memory.h"
#include "nicsim/real_time/datagram_trace.h"
#include "nicsim/real_time/sliding_window.h"

namespace vmmc::nicsim::real_time {

class Carrier {
 public:
  struct Route {
    ChannelEnds ends;
    FaultPlan* faults = nullptr;         // nullptr: nothing goes wrong
    Instruments* instruments = nullptr;  // nullptr: nobody looks
  };
  // `memory` outlives it.
  Carrier(const ChannelMemory& memory, const Budget& budget);
  void connect(const Route& route);

  // Whether a packet waits that is within the budget (or, with `beyond_budget`, one that comes
  // faster than the budget allows, and so has no right to go first).
  bool has_packet(std::uint64_t now, bool beyond_budget) const;
  // Carries out that packet. Takes the datagram that it begins, if it begins one.
  void serve(std::uint64_t now, bool beyond_budget);
  // Gives up what has not come in time. To be called, with a time that was read before, whenever
  // nicsim looks for packets: also while there are none.
  void settle(std::uint64_t now);

  // When settle() or serve() has to be called at the latest though the sender sends nothing;
  // UINT64_MAX: never.
  std::uint64_t next_time(std::uint64_t now) const;

  // The sender has been on the host executor: what is out, and the number of the next datagram, are
  // what it says.
  void resume();
  // The sender has ended: what it has sent is carried out still, and nothing more.
  void end() { rest_ = wire::kChannelSlots; }
  bool has_ended() const { return rest_ != kEndless && taken_ == carried_out_ && !can_take(); }
  // The receiver has ended.
  void drop();

  // Nothing is under way and nothing can be taken.
  bool is_idle() const { return taken_ == carried_out_ && !can_take(); }
  std::uint64_t deadline() const { return budget_.deadline; }
  // Between two datagrams if the budget is used up, ns.
  std::uint64_t interval() const { return budget_.period / budget_.messages; }

 private:
  static constexpr std::uint32_t kMostFragments = wire::kLongestDatagram / wire::kPageSize;
  static constexpr std::uint64_t kEndless = UINT64_MAX;
  static constexpr std::size_t kMostDelayed = 64;

  // A slot of the outgoing queue, copied.
  struct Outgoing {
    std::uint64_t sent;
    std::uint64_t number;
    wire::DatagramPlace place;
    std::uint32_t index;
    std::uint32_t length;
    std::uint32_t target;
    std::uint64_t tag;
  };
  enum class State : std::uint8_t { kMoving, kComplete, kLost };
  struct UnderWay {
    Outgoing datagram;
    State state;
    bool beyond_budget;   // its packets do not go first
    bool holds_source;    // `index` is a buffer of the sender that is not its own yet
    std::uint64_t since;  // ns, when its first packet was made
    std::uint32_t fragments;
    std::uint32_t made;  // fragments, from the first on
    std::uint32_t arrived;
    std::bitset<kMostFragments> there;
    TracedDatagram traced;
  };
  struct Delayed {
    std::uint64_t due;
    std::uint64_t datagram;  // its number in the outgoing queue
    std::uint32_t fragment;
  };

  UnderWay& under_way(std::uint64_t n) { return under_way_[n % under_way_.size()]; }
  const UnderWay& under_way(std::uint64_t n) const { return under_way_[n % under_way_.size()]; }
  const wire::DatagramSlot& outgoing() const {
    return memory_.source().outgoing[taken_ % wire::kChannelSlots];
  }
  bool slot_is_ready() const {
    return outgoing().sequence.load(std::memory_order_acquire) == taken_ + 1;
  }
  bool can_take() const {
    return rest_ > 0 && taken_ - carried_out_ < memory_.shape.depth && slot_is_ready();
  }
  bool has_room(std::uint64_t number) const;
  bool can_begin() const { return can_take() && has_room(next_number_); }
  bool is_moving() const;
  std::vector<Delayed>::const_iterator find_due(std::uint64_t now, bool beyond_budget) const;
  bool is_given_up(std::uint64_t n, std::uint64_t now) const;

  Outgoing copy_slot() const;
  void take(const Outgoing& datagram, std::uint64_t now);
  void hand_out_or_refuse(UnderWay& entry, bool numbered);
  bool takes_number(std::uint64_t number) const;
  bool is_sound(const Outgoing& datagram) const;
  bool goes_first(std::uint64_t sent, std::uint64_t now);
  bool within_budget(std::uint64_t sent);
  void hand_out(const Outgoing& datagram);
  void make_packet(std::uint64_t n, std::uint64_t now);
  DatagramPacket packet_at(const UnderWay& datagram, std::uint32_t fragment) const;
  void strike(std::uint64_t n, const DatagramPacket& packet, const FaultPlan::Fault& fault,
              std::uint64_t now);
  void arrive(UnderWay& datagram, std::uint32_t fragment);
  void lose(std::uint64_t n);
  void give_back(const Outgoing& datagram);
  void return_to_sender(wire::DatagramPlace place, std::uint32_t index);
  void take_back();
  void publish();
  void publish(const UnderWay& datagram);

  const ChannelMemory& memory_;
  const Budget budget_;
  Route route_;
  DatagramTrace trace_;
  SlidingWindow claimed_;  // by the sender's word for when it has sent
  SlidingWindow served_;   // eligible times of those that went first
  std::uint64_t last_sent_ = 0;
  std::uint64_t last_empty_ = 0;   // when there was nothing to take
  std::uint64_t taken_ = 0;        // datagrams of the outgoing queue
  std::uint64_t carried_out_ = 0;  // of these: visible to the receiver
  std::uint64_t next_number_ = 0;
  std::uint64_t rest_ = kEndless;  // that may be taken still
  bool may_skip_ = true;           // numbers: those that the sender has sent itself
  std::uint64_t taken_back_ = 0;   // entries of Demand::returns
  std::uint64_t returned_ = 0;     // entries of Verdict::returns
  std::uint64_t refused_ = 0;
  std::uint64_t lost_ = 0;
  std::bitset<wire::kMaxChannelDepth> pages_out_;
  std::bitset<wire::kMaxChannelDepth> buffers_out_;
  std::bitset<wire::kMaxChannelDepth> sources_busy_;  // buffers of the sender
  std::vector<UnderWay> under_way_;                   // taken and not carried out; of fixed size
  std::vector<Delayed> delayed_;                      // of those that move; room for kMostDelayed
};

}  // namespace vmmc::nicsim::real_time
