// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/real_time/datagram_receiver.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "nicsim/wire/latency_buckets.h"
#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

constexpr std::uint32_t kRestEvery = 8;  // one of so many waits sleeps at once

// How long to look before sleeping, ns: until the next message of a channel that is used at a third of its
// budget.
std::uint64_t look_time(const ChannelTerms& terms) {
  return platform::AdaptiveWait::budget_for(terms.period / std::max(terms.messages, 1u));
}

template <typename T>
T read_once(T& field) {
  T value;
  __atomic_load(&field, &value, __ATOMIC_RELAXED);
  return value;
}

}  // namespace

DatagramReceiver::DatagramReceiver(const ReceiverViews& views, const ChannelTerms& terms)
    : views_(views), terms_(terms), wait_(look_time(terms)) {
  pages_.fill(kNotHeld);
  buffers_.fill(kNotHeld);
}

// ----------------------------------------------------------------------------------- receiving

bool DatagramReceiver::there() const {
  const wire::DatagramSlot& slot = views_.arrival->slots[next_ % wire::kChannelSlots];
  return slot.sequence.load(std::memory_order_seq_cst) == next_ + 1;
}

// Passes at most a round of slots that hold no datagram, however many there are.
bool DatagramReceiver::take(vmmc_rtz_datagram* datagram) {
  for (std::uint32_t passed = 0; passed < wire::kChannelSlots; ++passed) {
    wire::DatagramSlot& slot = views_.arrival->slots[next_ % wire::kChannelSlots];
    if (slot.sequence.load(std::memory_order_acquire) != next_ + 1) return false;
    const Arrival arrival = read(slot);
    const bool lost = arrival.place == wire::DatagramPlace::kLost;
    if (!lost && makes_sense(arrival)) {
      accept(arrival, datagram);
      return true;
    }
    ++next_;
    count(lost ? views_.demand->lost : views_.demand->malformed, std::memory_order_release);
  }
  return false;
}

DatagramReceiver::Arrival DatagramReceiver::read(wire::DatagramSlot& slot) {
  return {read_once(slot.sent),  read_once(slot.number), read_once(slot.place),
          read_once(slot.index), read_once(slot.length), read_once(slot.tag)};
}

bool DatagramReceiver::makes_sense(const Arrival& arrival) const {
  const bool page = arrival.place == wire::DatagramPlace::kPage;
  if (!page && arrival.place != wire::DatagramPlace::kBuffer) return false;
  const std::uint32_t room = page ? wire::kPageSize : terms_.buffer_bytes;
  return arrival.number == next_ && arrival.index < terms_.depth &&
         arrival.length <= std::min(room, terms_.longest) && (page || terms_.buffer_bytes != 0) &&
         holdings(arrival.place)[arrival.index] == kNotHeld;
}

const std::byte* DatagramReceiver::address_of(const Arrival& arrival) const {
  if (arrival.place == wire::DatagramPlace::kPage) {
    return reinterpret_cast<const std::byte*>(views_.source) +
           ChannelTerms::source_page_offset(arrival.index);
  }
  return reinterpret_cast<const std::byte*>(views_.arrival) +
         terms_.arrival_buffer_offset(arrival.index);
}

void DatagramReceiver::accept(const Arrival& arrival, vmmc_rtz_datagram* datagram) {
  holdings(arrival.place)[arrival.index] = next_;
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t latency = now > arrival.sent ? now - arrival.sent : 0;
  *datagram = {
      address_of(arrival), arrival.length, next_,
      arrival.tag,         latency,        wire::make_returned(arrival.place, arrival.index)};
  ++next_;
  wire::ChannelDemand& demand = *views_.demand;
  count(demand.latencies[wire::latency_bucket(latency)]);
  if (latency > terms_.deadline) [[unlikely]]
    count(demand.deadline_misses);
  count(demand.received, std::memory_order_release);
}

int DatagramReceiver::give_back(const vmmc_rtz_datagram& datagram) {
  const wire::DatagramPlace place = wire::returned_place(datagram.held);
  const std::uint32_t index = wire::returned_index(datagram.held);
  const bool known =
      (place == wire::DatagramPlace::kPage || place == wire::DatagramPlace::kBuffer) &&
      index < terms_.depth && datagram.number != kNotHeld &&
      holdings(place)[index] == datagram.number;
  if (!known) {
    return fail(VMMC_ERR_NOT_HELD,
                "datagram %llu was not received from this channel, or is returned",
                static_cast<unsigned long long>(datagram.number));
  }
  holdings(place)[index] = kNotHeld;
  wire::ChannelDemand& demand = *views_.demand;
  demand.returns[returned_ % wire::kChannelSlots].store(datagram.held, std::memory_order_relaxed);
  demand.returned.store(++returned_, std::memory_order_release);
  return VMMC_OK;
}

// ------------------------------------------------------------------------------------- waiting

// Looks at what ends the channel before it looks at the slot: what had arrived by then is seen.
int DatagramReceiver::wait(vmmc_rtz_datagram* datagram, std::uint64_t timeout) {
  Deadline deadline(timeout);
  wait_.reset();
  // Who never sleeps takes its core from everybody else; and from a real-time process that does so,
  // the kernel takes the core back for tens of milliseconds at a time.
  bool rests = timeout != 0 && ++waits_ % kRestEvery == 0;
  for (bool last = timeout == 0;;) {
    const int ended = end();
    if (take(datagram)) return VMMC_OK;
    if (ended == VMMC_END) return VMMC_END;
    if (ended == VMMC_ERR_NICSIM_GONE) return fail_nicsim_gone();
    if (ended != VMMC_OK) return fail(ended, "the sender of the channel has ended");
    if (last) return fail_saying(VMMC_ERR_TIMEOUT, "no datagram has come");
    const bool sleeps =
        std::exchange(rests, false) || wait_.step() == platform::AdaptiveWait::Advice::kSleep;
    if (sleeps) sleep(deadline);
    last = sleeps ? deadline.passed() : wait_.clock() != 0 && deadline.passed(wait_.clock());
  }
}

// VMMC_OK: it goes on.
int DatagramReceiver::end() const {
  const std::uint32_t state = views_.verdict->state.load(std::memory_order_seq_cst);
  if (state == static_cast<std::uint32_t>(wire::ChannelState::kSenderEnded)) {
    const bool closed = views_.verdict->status.load(std::memory_order_acquire) == VMMC_OK;
    return closed ? VMMC_END : VMMC_ERR_PEER_DEAD;
  }
  return views_.nicsim_gone->load(std::memory_order_seq_cst) ? VMMC_ERR_NICSIM_GONE : VMMC_OK;
}

// The flag and the sequence, here and with whoever makes a slot visible, are sequentially
// consistent: either he sees the flag, or we see the slot.
int DatagramReceiver::arm() {
  take_rings();
  views_.arrival->receiver_sleeps.store(1, std::memory_order_seq_cst);
  if (!there() && end() == VMMC_OK) return VMMC_OK;
  disarm();
  return VMMC_PENDING;
}

void DatagramReceiver::disarm() {
  views_.arrival->receiver_sleeps.store(0, std::memory_order_relaxed);
}

// No read that could wait.
void DatagramReceiver::take_rings() {
  pollfd bell{views_.bell, POLLIN, 0};
  std::uint64_t rings[64];
  if (::poll(&bell, 1, 0) == 1) (void)!::read(views_.bell, rings, sizeof rings);
}

void DatagramReceiver::sleep(Deadline& deadline) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  constexpr std::uint64_t kLongest = 3600 * kSecond;
  const int saved = errno;
  if (arm() == VMMC_OK) {
    const std::uint64_t time = std::min(deadline.remaining(), kLongest);
    const timespec timeout{static_cast<time_t>(time / kSecond), static_cast<long>(time % kSecond)};
    pollfd descriptors[] = {{views_.bell, POLLIN, 0}, {views_.nicsim_socket, POLLRDHUP, 0}};
    (void)::ppoll(descriptors, std::size(descriptors), &timeout, nullptr);
    disarm();
  }
  errno = saved;
}

// ------------------------------------------------------------------------------------- looking

void DatagramReceiver::read_counters(vmmc_rtz_counters& counters) const {
  const auto read_counter = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  const wire::ChannelDemand& demand = *views_.demand;
  counters.received = read_counter(demand.received);
  counters.lost = read_counter(demand.lost);
  counters.sent = next_;
  counters.over_budget = read_counter(views_.source->refused);
  counters.without_page = read_counter(views_.source->without_page);
  counters.deadline_misses = read_counter(demand.deadline_misses);
  const bool host = views_.verdict->executor.load(std::memory_order_relaxed) ==
                    static_cast<std::uint32_t>(wire::ExecutorDemand::kHost);
  counters.executor = host ? VMMC_EXECUTOR_HOST : VMMC_EXECUTOR_NIC;
}

}  // namespace vmmc::internal
