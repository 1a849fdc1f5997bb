// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/real_time/carrier.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

namespace vmmc::nicsim::real_time {
namespace {

using wire::DatagramPlace;

// Numbers stay far from the end of their type.
constexpr std::uint64_t kMostNumber = std::uint64_t{1} << 62;

// A receiver that does not pass what was lost is looked at again after so long, ns.
constexpr std::uint64_t kLookAgain = 10'000'000;

}  // namespace

Carrier::Carrier(const ChannelMemory& memory, const Budget& budget)
    : memory_(memory),
      budget_(budget),
      claimed_(budget.messages, budget.period),
      served_(budget.messages, budget.period),
      under_way_(memory.shape.depth) {
  delayed_.reserve(kMostDelayed);
}

void Carrier::connect(const Route& route) {
  route_ = route;
  trace_ = {route.instruments, route.ends};
}

void Carrier::resume() {
  pages_out_.reset();
  buffers_out_.reset();
  taken_back_ = memory_.demand().returned.load(std::memory_order_acquire);
  may_skip_ = true;
}

void Carrier::drop() {
  for (std::uint64_t n = carried_out_; n < taken_; ++n) {
    if (under_way(n).state == State::kLost) continue;  // it has ended
    trace_.complete(under_way(n).traced, wire::Status::kPeerDead);
  }
  rest_ = 0;
  carried_out_ = taken_;
  delayed_.clear();
}

// ---------------------------------------------------------------------- what there is to be done

// Whether a slot of this number would overrun none that the receiver has not passed.
bool Carrier::has_room(std::uint64_t number) const {
  const wire::ChannelDemand& demand = memory_.demand();
  const std::uint64_t passed = demand.received.load(std::memory_order_acquire) +
                               demand.lost.load(std::memory_order_acquire) +
                               demand.malformed.load(std::memory_order_acquire);
  return number <= passed || number - passed < wire::kChannelSlots;
}

// Whether the datagram that was taken last has fragments to be made: only then no other one is
// taken.
bool Carrier::is_moving() const {
  if (taken_ == carried_out_) return false;
  const UnderWay& datagram = under_way(taken_ - 1);
  return datagram.state == State::kMoving && datagram.made < datagram.fragments;
}

std::vector<Carrier::Delayed>::const_iterator Carrier::find_due(std::uint64_t now,
                                                                bool beyond_budget) const {
  return std::find_if(delayed_.begin(), delayed_.end(), [&](const Delayed& packet) {
    return packet.due <= now && (beyond_budget || !under_way(packet.datagram).beyond_budget);
  });
}

bool Carrier::has_packet(std::uint64_t now, bool beyond_budget) const {
  if (find_due(now, beyond_budget) != delayed_.end()) return true;
  if (is_moving()) return beyond_budget || !under_way(taken_ - 1).beyond_budget;
  return can_begin() && (beyond_budget || served_.admits(now));
}

std::uint64_t Carrier::next_time(std::uint64_t now) const {
  std::uint64_t next = UINT64_MAX;
  for (std::uint64_t n = carried_out_; n < taken_; ++n) {
    const UnderWay& datagram = under_way(n);
    if (datagram.state == State::kMoving && datagram.made == datagram.fragments) {
      next = std::min(next, datagram.since + budget_.deadline);
    }
  }
  for (const Delayed& packet : delayed_) next = std::min(next, packet.due);
  if (can_take() && !has_room(next_number_)) next = std::min(next, now + kLookAgain);
  return next;
}

// Whether it can no longer come in time. What nicsim itself has not made, or has not let arrive, in
// time is late and not lost.
bool Carrier::is_given_up(std::uint64_t n, std::uint64_t now) const {
  const UnderWay& datagram = under_way(n);
  if (datagram.state != State::kMoving || datagram.made < datagram.fragments) return false;
  const std::uint64_t end = datagram.since + budget_.deadline;
  return now >= end && std::none_of(delayed_.begin(), delayed_.end(), [&](const Delayed& packet) {
           return packet.datagram == n && packet.due < end;
         });
}

void Carrier::settle(std::uint64_t now) {
  if (!can_begin()) last_empty_ = now;
  if (taken_ == carried_out_) return;
  for (std::uint64_t n = carried_out_; n < taken_; ++n) {
    if (is_given_up(n, now)) lose(n);
  }
  publish();
}

void Carrier::serve(std::uint64_t now, bool beyond_budget) {
  if (const auto due = find_due(now, beyond_budget); due != delayed_.end()) {
    const Delayed packet = *due;
    delayed_.erase(due);
    arrive(under_way(packet.datagram), packet.fragment);
    return publish();
  }
  if (!is_moving() && can_begin()) take(copy_slot(), now);
  if (is_moving()) make_packet(taken_ - 1, now);
  publish();
}

// ------------------------------------------------------------------------------ taking a datagram

Carrier::Outgoing Carrier::copy_slot() const {
  const wire::DatagramSlot& slot = outgoing();
  const Outgoing copy{slot.sent,   slot.number, slot.place, slot.index,
                      slot.length, slot.target, slot.tag};
  // The compiler must not read the shared line again in place of the copy.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  asm volatile("" : : "r"(&copy) : "memory");
  return copy;
}

void Carrier::take(const Outgoing& copy, std::uint64_t now) {
  take_back();
  UnderWay& entry = under_way(taken_);
  entry = {copy, State::kMoving, !goes_first(copy.sent, now), false, now, 1, 0, 0, {}, {}};
  Outgoing& datagram = entry.datagram;
  const bool numbered = takes_number(copy.number);
  if (!numbered) datagram.number = next_number_;
  next_number_ = datagram.number + 1;
  may_skip_ = false;
  datagram.sent = std::min(copy.sent, now);
  if (rest_ != kEndless) --rest_;
  entry.traced = trace_.take(datagram.number, datagram.length);
  hand_out_or_refuse(entry, numbered);
  ++taken_;
}

// Hands out what it names, or refuses it.
void Carrier::hand_out_or_refuse(UnderWay& entry, bool numbered) {
  const Outgoing& datagram = entry.datagram;
  const bool sound = is_sound(datagram);
  if (sound) hand_out(datagram);
  entry.holds_source = sound && datagram.place == DatagramPlace::kBuffer;
  if (entry.holds_source) entry.fragments = packets_of(datagram.length);
  if (sound && datagram.place == DatagramPlace::kPage) {
    entry.traced.lends_page = true;
    entry.traced.page = datagram.index;
  }
  wire::Status status = wire::Status::kOk;
  if (!numbered || !sound) {
    status = wire::Status::kMalformed;
  } else if (!within_budget(datagram.sent)) {
    status = wire::Status::kOverBudget;
  }
  if (status == wire::Status::kOk) return;
  memory_.verdict().refused.store(++refused_, std::memory_order_relaxed);
  entry.state = State::kLost;
  if (sound) give_back(datagram);
  trace_.refuse(entry.traced, status);
}

bool Carrier::takes_number(std::uint64_t number) const {
  if (number >= kMostNumber) return false;
  return may_skip_ ? number >= next_number_ && has_room(number) : number == next_number_;
}

// Whether it names what the sender may hand over.
bool Carrier::is_sound(const Outgoing& datagram) const {
  const ChannelShape& shape = memory_.shape;
  if (datagram.length > budget_.longest || datagram.index >= shape.depth) return false;
  if (datagram.place == DatagramPlace::kPage) {
    return datagram.length <= wire::kPageSize && !pages_out_[datagram.index];
  }
  return datagram.place == DatagramPlace::kBuffer && shape.buffer_bytes > 0 &&
         datagram.target < shape.depth && !buffers_out_[datagram.target] &&
         !sources_busy_[datagram.index];
}

// Counts it if so. See "Policing" in the header.
bool Carrier::goes_first(std::uint64_t sent, std::uint64_t now) {
  if (!served_.admits(now)) return false;
  const std::uint64_t in_time = now > budget_.deadline ? now - budget_.deadline : 0;
  const std::uint64_t eligible = std::min(std::max({sent, last_empty_, in_time}), now);
  served_.add(std::max(eligible, served_.earliest()));
  return true;
}

// Goes by the sender's word alone: what nicsim was kept from taking in time was not sent too fast.
bool Carrier::within_budget(std::uint64_t sent) {
  last_sent_ = std::max(sent, last_sent_);
  if (!claimed_.admits(last_sent_)) return false;
  claimed_.add(last_sent_);
  return true;
}

void Carrier::hand_out(const Outgoing& datagram) {
  if (datagram.place == DatagramPlace::kPage) {
    pages_out_.set(datagram.index);
  } else {
    buffers_out_.set(datagram.target);
    sources_busy_.set(datagram.index);
  }
}

// What the receiver has returned. One that says nonsense gets nothing for it.
void Carrier::take_back() {
  const wire::ChannelDemand& demand = memory_.demand();
  const std::uint64_t returned = demand.returned.load(std::memory_order_acquire);
  if (returned - taken_back_ > wire::kChannelSlots) taken_back_ = returned - wire::kChannelSlots;
  for (; taken_back_ != returned; ++taken_back_) {
    const std::uint32_t entry =
        demand.returns[taken_back_ % wire::kChannelSlots].load(std::memory_order_relaxed);
    const std::uint32_t index = wire::returned_index(entry);
    if (index >= memory_.shape.depth) continue;
    if (wire::returned_place(entry) == DatagramPlace::kPage) pages_out_.reset(index);
    if (wire::returned_place(entry) == DatagramPlace::kBuffer) buffers_out_.reset(index);
  }
}

// --------------------------------------------------------------------------------------- packets

void Carrier::make_packet(std::uint64_t n, std::uint64_t now) {
  UnderWay& datagram = under_way(n);
  const std::uint32_t fragment = datagram.made++;
  if (fragment == 0) datagram.since = now;
  const DatagramPacket packet = packet_at(datagram, fragment);
  trace_.make(datagram.traced, packet);
  std::optional<FaultPlan::Fault> fault;
  if (route_.faults != nullptr && !route_.faults->empty()) {
    fault = route_.faults->strike(route_.ends.from_node, route_.ends.to_node);
  }
  if (fault) return strike(n, packet, *fault, now);
  arrive(datagram, fragment);
}

DatagramPacket Carrier::packet_at(const UnderWay& entry, std::uint32_t fragment) const {
  const Outgoing& datagram = entry.datagram;
  const std::uint32_t offset = fragment * wire::kPageSize;
  const std::uint32_t bytes = std::min<std::uint32_t>(datagram.length - offset, wire::kPageSize);
  const std::byte* const source = datagram.place == DatagramPlace::kBuffer
                                      ? memory_.source_buffer(datagram.index)
                                      : memory_.source_page(datagram.index);
  return {fragment, fragment + 1 == entry.fragments, offset, {source + offset, bytes}};
}

void Carrier::strike(std::uint64_t n, const DatagramPacket& packet, const FaultPlan::Fault& fault,
                     std::uint64_t now) {
  UnderWay& datagram = under_way(n);
  switch (fault.action) {
    case FaultPlan::Action::kDrop:
      return trace_.drop(datagram.traced, packet);
    case FaultPlan::Action::kCorrupt:
      trace_.corrupt(datagram.traced, packet);
      return lose(n);
    case FaultPlan::Action::kDelay: {
      if (delayed_.size() == kMostDelayed) return arrive(datagram, packet.number);
      const std::uint64_t delay = std::min(fault.delay, wire::kLongestPeriod);
      delayed_.push_back({now + delay, n, packet.number});
      trace_.delay(datagram.traced, packet, delay);
    }
  }
}

void Carrier::arrive(UnderWay& entry, std::uint32_t fragment) {
  const Outgoing& datagram = entry.datagram;
  if (entry.there[fragment]) return;
  DatagramPacket packet = packet_at(entry, fragment);
  trace_.send(entry.traced, packet);
  std::uint64_t since = 0;
  if (datagram.place == DatagramPlace::kBuffer) {
    since = trace_.begin_write(entry.traced);
    std::byte* const target = memory_.arrival_buffer(datagram.target) + packet.offset;
    std::memcpy(target, packet.bytes.data(), packet.bytes.size());
    packet.bytes = {target, packet.bytes.size()};
  }
  trace_.arrive(entry.traced, packet, since);
  entry.there.set(fragment);
  if (++entry.arrived == entry.fragments) entry.state = State::kComplete;
}

void Carrier::lose(std::uint64_t n) {
  UnderWay& datagram = under_way(n);
  datagram.state = State::kLost;
  std::erase_if(delayed_, [n](const Delayed& packet) { return packet.datagram == n; });
  memory_.verdict().lost.store(++lost_, std::memory_order_relaxed);
  give_back(datagram.datagram);
  trace_.complete(datagram.traced, wire::Status::kDatagramLost);
}

// What nobody has seen becomes the sender's again.
void Carrier::give_back(const Outgoing& datagram) {
  if (datagram.place == DatagramPlace::kPage) {
    pages_out_.reset(datagram.index);
    return_to_sender(datagram.place, datagram.index);
  } else {
    buffers_out_.reset(datagram.target);
    return_to_sender(datagram.place, datagram.target);
  }
}

void Carrier::return_to_sender(DatagramPlace place, std::uint32_t index) {
  wire::ChannelVerdict& verdict = memory_.verdict();
  verdict.returns[returned_ % wire::kChannelSlots].store(wire::make_returned(place, index),
                                                         std::memory_order_relaxed);
  verdict.returned.store(++returned_, std::memory_order_release);
}

// ------------------------------------------------------------------------------------- visibility

// Those that are complete or lost, in their order.
void Carrier::publish() {
  const std::uint64_t before = carried_out_;
  while (carried_out_ < taken_ && under_way(carried_out_).state != State::kMoving) {
    const UnderWay& entry = under_way(carried_out_);
    publish(entry);
    if (entry.holds_source) sources_busy_.reset(entry.datagram.index);
    ++carried_out_;
  }
  if (carried_out_ == before) return;
  memory_.verdict().carried_out.store(carried_out_, std::memory_order_release);
  memory_.ring_if_asleep();
  // Not before: a record may be what has the trace's file written to.
  for (std::uint64_t n = before; n < carried_out_; ++n) {
    if (under_way(n).state == State::kComplete)
      trace_.complete(under_way(n).traced, wire::Status::kOk);
  }
}

void Carrier::publish(const UnderWay& entry) {
  const Outgoing& datagram = entry.datagram;
  wire::DatagramSlot& slot = memory_.arrival().slots[datagram.number % wire::kChannelSlots];
  const bool lost = entry.state == State::kLost;
  slot.sent = datagram.sent;
  slot.number = datagram.number;
  slot.place = lost ? DatagramPlace::kLost : datagram.place;
  slot.index =
      lost ? 0 : (datagram.place == DatagramPlace::kPage ? datagram.index : datagram.target);
  slot.length = lost ? 0 : datagram.length;
  slot.target = 0;
  slot.tag = lost ? 0 : datagram.tag;
  slot.sequence.store(datagram.number + 1, std::memory_order_release);
}

}  // namespace vmmc::nicsim::real_time
