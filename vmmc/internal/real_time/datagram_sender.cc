// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/real_time/datagram_sender.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vmmc/internal/clock.h"
#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

// Never waits, and what finds the bell full has been heard already. No SIGPIPE: the bell's open file is for
// reading, too, so there is a reader when everybody else has gone. errno stays as it is.
void ring(int bell) {
  const int saved = errno;
  const std::uint64_t one = 1;
  (void)!::write(bell, &one, sizeof one);
  errno = saved;
}

unsigned long long number_of(std::uint64_t value) { return value; }

}  // namespace

DatagramSender::DatagramSender(const SenderViews& views, const ChannelTerms& terms,
                               std::span<std::uint64_t> times)
    : views_(views),
      terms_(terms),
      window_(times, terms.period),
      pages_(terms.depth),
      buffers_(terms.buffer_bytes == 0 ? 0 : terms.depth),
      targets_(terms.buffer_bytes == 0 ? 0 : terms.depth),
      slots_end_(wire::kChannelSlots) {
  posted_buffers_.fill(kNone);
}

// ------------------------------------------------------------------------------------ refusals

int DatagramSender::check_open() const {
  const auto state = views_.verdict->state.load(std::memory_order_acquire);
  const bool open = state == static_cast<std::uint32_t>(wire::ChannelState::kConnected);
  if (open && !views_.nicsim_gone->load(std::memory_order_acquire)) [[likely]]
    return VMMC_OK;
  return refuse_ended();
}

[[gnu::cold]] int DatagramSender::refuse_ended() const {
  const auto state = views_.verdict->state.load(std::memory_order_acquire);
  if (state == static_cast<std::uint32_t>(wire::ChannelState::kConnected))
    return fail_nicsim_gone();
  const bool closed = views_.verdict->status.load(std::memory_order_relaxed) == VMMC_OK;
  return fail(VMMC_ERR_PEER_DEAD, "the receiver of the channel has %s",
              closed ? "closed it" : "ended");
}

[[gnu::cold]] int DatagramSender::refuse_over_budget(std::uint64_t now) {
  count(views_.source->refused);
  return fail(VMMC_ERR_OVER_BUDGET,
              "%u datagrams have been sent in the last %llu ns: the next may be sent in %llu ns",
              terms_.messages, number_of(terms_.period), number_of(window_.wait(now)));
}

[[gnu::cold]] int DatagramSender::refuse_without_page() {
  count(views_.source->without_page);
  if (out_ + held_ < terms_.depth && number_ + held_ >= slots_end_) {
    return fail(VMMC_ERR_NO_PAGE,
                "the receiver has come to datagram %llu, and may be %u behind; lost ones count, "
                "%llu are sent and %u acquired",
                number_of(slots_end_ - wire::kChannelSlots), wire::kChannelSlots,
                number_of(number_), held_);
  }
  return fail(VMMC_ERR_NO_PAGE,
              "of %u datagrams that may be out, %u are sent and not returned and %u acquired",
              terms_.depth, out_, held_);
}

[[gnu::cold]] int DatagramSender::refuse_too_long(std::size_t length) const {
  return fail(VMMC_ERR_TOO_LONG, "%zu bytes: the channel's datagrams have at most %u", length,
              terms_.longest);
}

[[gnu::cold]] int DatagramSender::refuse_not_held(const void* memory) const {
  return fail(VMMC_ERR_NOT_HELD, "%p was not acquired from this channel, or was sent or released",
              memory);
}

// -------------------------------------------------------------------------------------- memory

int DatagramSender::acquire(std::size_t length, void** memory) {
  if (const int status = check_open(); status != VMMC_OK) return status;
  if (length > terms_.longest) return refuse_too_long(length);
  const bool page = length <= wire::kPageSize;
  MemoryPool& pool = page ? pages_ : buffers_;
  if (!make_room(pool)) return refuse_without_page();
  *memory = address_of(page, pool.take(MemoryPool::State::kHeld));
  ++held_;
  return VMMC_OK;
}

int DatagramSender::release(void* memory) {
  const Place place = place_of(memory);
  if (place.pool == nullptr) return refuse_not_held(memory);
  place.pool->give_back(place.index);
  --held_;
  return VMMC_OK;
}

bool DatagramSender::make_room(const MemoryPool& pool) {
  if (has_room() && !pool.empty()) [[likely]]
    return true;
  harvest();
  return has_room() && !pool.empty();
}

std::byte* DatagramSender::address_of(bool page, std::uint32_t index) const {
  return reinterpret_cast<std::byte*>(views_.source) +
         (page ? ChannelTerms::source_page_offset(index) : terms_.source_buffer_offset(index));
}

// Of held memory; no pool if it is none.
DatagramSender::Place DatagramSender::place_of(const void* memory) {
  const std::size_t offset =
      reinterpret_cast<std::uintptr_t>(memory) - reinterpret_cast<std::uintptr_t>(views_.source);
  const std::size_t first_buffer = terms_.source_buffer_offset(0);
  if (offset < wire::kSourcePagesOffset || offset >= terms_.source_bytes()) return {};
  const bool page = offset < first_buffer;
  const std::size_t first = page ? wire::kSourcePagesOffset : first_buffer;
  const std::size_t size = page ? wire::kPageSize : terms_.buffer_bytes;
  const std::size_t index = (offset - first) / size;
  MemoryPool& pool = page ? pages_ : buffers_;
  if (first + index * size != offset) return {};
  if (!pool.is(static_cast<std::uint32_t>(index), MemoryPool::State::kHeld)) return {};
  return {&pool, static_cast<std::uint32_t>(index), page};
}

void DatagramSender::harvest() {
  const auto take = [this](const auto& returned, const auto& returns, std::uint64_t& taken) {
    const std::uint64_t end = returned.load(std::memory_order_acquire);
    if (end - taken > wire::kChannelSlots) taken = end - wire::kChannelSlots;  // makes no sense
    for (; taken != end; ++taken) {
      take_back(returns[taken % wire::kChannelSlots].load(std::memory_order_relaxed));
    }
  };
  take(views_.demand->returned, views_.demand->returns, demand_returned_);
  take(views_.verdict->returned, views_.verdict->returns, verdict_returned_);
  harvest_carried_out();
  const wire::ChannelDemand& demand = *views_.demand;
  const std::uint64_t passed = demand.received.load(std::memory_order_acquire) +
                               demand.lost.load(std::memory_order_acquire) +
                               demand.malformed.load(std::memory_order_acquire);
  if (passed <= number_) slots_end_ = passed + wire::kChannelSlots;
}

void DatagramSender::take_back(std::uint32_t returned) {
  const wire::DatagramPlace place = wire::returned_place(returned);
  const std::uint32_t index = wire::returned_index(returned);
  MemoryPool& pool = place == wire::DatagramPlace::kPage ? pages_ : targets_;
  if (place != wire::DatagramPlace::kPage && place != wire::DatagramPlace::kBuffer) return;
  if (!pool.is(index, MemoryPool::State::kOut)) return;
  pool.give_back(index);
  --out_;
}

void DatagramSender::harvest_carried_out() {
  const std::uint64_t end = views_.verdict->carried_out.load(std::memory_order_acquire);
  for (; carried_out_ != end && carried_out_ != posted_; ++carried_out_) {
    std::uint8_t& buffer = posted_buffers_[carried_out_ % wire::kChannelSlots];
    if (buffer != kNone) buffers_.give_back(buffer);
    buffer = kNone;
  }
}

// ------------------------------------------------------------------------------------- sending

int DatagramSender::send(void* memory, std::size_t length, std::uint64_t tag) {
  const std::uint64_t now = monotonic_ns();
  if (const int status = check_open(); status != VMMC_OK) return status;
  const Place place = place_of(memory);
  if (place.pool == nullptr) return refuse_not_held(memory);
  if (length > terms_.longest || (place.page && length > wire::kPageSize)) {
    return refuse_too_long(length);
  }
  if (!window_.admits(now)) return refuse_over_budget(now);
  window_.note(now);
  --held_;
  if (place.page) {
    send_page(place.index, length, now, tag);
  } else if (length > wire::kPageSize) {
    send_buffer(place.index, length, now, tag);
  } else {
    send_short_buffer(place.index, length, now, tag);
  }
  return VMMC_OK;
}

int DatagramSender::send_copy(const void* data, std::size_t length, std::uint64_t tag) {
  const std::uint64_t now = monotonic_ns();
  if (const int status = check_open(); status != VMMC_OK) return status;
  if (length > terms_.longest) return refuse_too_long(length);
  if (!window_.admits(now)) return refuse_over_budget(now);
  const bool page = length <= wire::kPageSize;
  const bool straight = !page && host_executes();
  MemoryPool& pool = page ? pages_ : straight ? targets_ : buffers_;
  if (!make_room(pool)) return refuse_without_page();
  window_.note(now);
  if (straight) {
    send_straight(data, length, now, tag);
    return VMMC_OK;
  }
  const std::uint32_t index = pool.take(MemoryPool::State::kHeld);
  if (length != 0) std::memcpy(address_of(page, index), data, length);
  if (page) {
    send_page(index, length, now, tag);
  } else {
    send_buffer(index, length, now, tag);
  }
  return VMMC_OK;
}

// To nic at once; back to host when nothing is under way there.
bool DatagramSender::host_executes() {
  const std::uint32_t executor = views_.verdict->executor.load(std::memory_order_acquire);
  const bool host = executor == static_cast<std::uint32_t>(wire::ExecutorDemand::kHost);
  if (!host || views_.arrival == nullptr) {
    nic_ = true;
  } else if (nic_) [[unlikely]] {
    harvest_carried_out();
    nic_ = carried_out_ != posted_;
  }
  return !nic_;
}

void DatagramSender::send_page(std::uint32_t page, std::size_t length, std::uint64_t now,
                               std::uint64_t tag) {
  pages_.send_out(page);
  ++out_;
  const Datagram datagram{
      now, tag, wire::DatagramPlace::kPage, page, static_cast<std::uint32_t>(length), 0};
  if (host_executes()) {
    arrive(datagram);
  } else {
    posted_buffers_[posted_ % wire::kChannelSlots] = kNone;
    post(datagram);
  }
}

// What fits a page goes by page, wherever it was written; as many pages as `depth` are enough for that.
void DatagramSender::send_short_buffer(std::uint32_t buffer, std::size_t length, std::uint64_t now,
                                       std::uint64_t tag) {
  const std::uint32_t page = pages_.take(MemoryPool::State::kHeld);
  std::memcpy(address_of(true, page), address_of(false, buffer), length);
  buffers_.give_back(buffer);
  send_page(page, length, now, tag);
}

void DatagramSender::send_buffer(std::uint32_t buffer, std::size_t length, std::uint64_t now,
                                 std::uint64_t tag) {
  if (host_executes()) {
    send_straight(address_of(false, buffer), length, now, tag);
    buffers_.give_back(buffer);
    return;
  }
  buffers_.send_out(buffer);
  ++out_;
  const std::uint32_t target = targets_.take(MemoryPool::State::kOut);
  posted_buffers_[posted_ % wire::kChannelSlots] = static_cast<std::uint8_t>(buffer);
  post(
      {now, tag, wire::DatagramPlace::kBuffer, buffer, static_cast<std::uint32_t>(length), target});
}

// The fragments are neighbours on both sides: one copy moves them all to their final offsets.
void DatagramSender::send_straight(const void* data, std::size_t length, std::uint64_t now,
                                   std::uint64_t tag) {
  const std::uint32_t target = targets_.take(MemoryPool::State::kOut);
  ++out_;
  std::memcpy(reinterpret_cast<std::byte*>(views_.arrival) + terms_.arrival_buffer_offset(target),
              data, length);
  arrive({now, tag, wire::DatagramPlace::kBuffer, target, static_cast<std::uint32_t>(length), 0});
}

namespace {

// All but the sequence.
template <typename Datagram>
void fill(wire::DatagramSlot& slot, const Datagram& datagram, std::uint64_t number) {
  slot.sent = datagram.sent;
  slot.number = number;
  slot.place = datagram.place;
  slot.index = datagram.index;
  slot.length = datagram.length;
  slot.target = datagram.target;
  slot.tag = datagram.tag;
}

}  // namespace

// Both sequences are stored sequentially consistent: whoever goes to sleep either sees the slot in its
// last look, or its flag is seen here.
void DatagramSender::arrive(const Datagram& datagram) {
  wire::DatagramSlot& slot = views_.arrival->slots[number_ % wire::kChannelSlots];
  fill(slot, datagram, number_);
  slot.sequence.store(++number_, std::memory_order_seq_cst);
  if (views_.arrival->receiver_sleeps.load(std::memory_order_seq_cst) != 0) [[unlikely]] {
    wake_receiver();
  }
}

void DatagramSender::post(const Datagram& datagram) {
  wire::DatagramSlot& slot = views_.source->outgoing[posted_ % wire::kChannelSlots];
  fill(slot, datagram, number_++);
  slot.sequence.store(++posted_, std::memory_order_seq_cst);
  if (views_.doorbell.nic_sleeps->load(std::memory_order_seq_cst) != 0) wake_nicsim();
}

[[gnu::cold]] void DatagramSender::wake_receiver() {
  if (views_.arrival->receiver_sleeps.exchange(0, std::memory_order_seq_cst) != 0) {
    ring(views_.bell);
  }
}

[[gnu::cold]] void DatagramSender::wake_nicsim() {
  if (views_.doorbell.nic_sleeps->exchange(0, std::memory_order_seq_cst) != 0) {
    ring(views_.doorbell.eventfd);
  }
}

// ------------------------------------------------------------------------------------- looking

std::uint64_t DatagramSender::next_send() const { return window_.wait(monotonic_ns()); }

void DatagramSender::read_counters(vmmc_rtz_counters& counters) const {
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  counters.sent = number_;
  counters.received = read(views_.demand->received);
  counters.lost = read(views_.demand->lost);
  counters.over_budget = read(views_.source->refused);
  counters.without_page = read(views_.source->without_page);
  counters.deadline_misses = read(views_.demand->deadline_misses);
  const bool host = views_.verdict->executor.load(std::memory_order_relaxed) ==
                    static_cast<std::uint32_t>(wire::ExecutorDemand::kHost);
  counters.executor = host && views_.arrival != nullptr ? VMMC_EXECUTOR_HOST : VMMC_EXECUTOR_NIC;
}

}  // namespace vmmc::internal
