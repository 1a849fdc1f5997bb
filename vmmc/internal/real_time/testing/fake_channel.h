// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A real-time channel in plain memory, with what nicsim would do to it.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "platform/file_descriptor.h"
#include "vmmc/internal/real_time/channel_views.h"
#include "vmmc/internal/real_time/datagram_receiver.h"
#include "vmmc/internal/real_time/datagram_sender.h"

namespace vmmc::internal::testing {

class FakeChannel {
 public:
  struct Shape {
    std::uint32_t depth = 4;
    std::uint32_t longest = 4096;
    std::uint32_t messages = 1000;
    std::uint64_t period = 1000;
    std::uint64_t deadline = 1'000'000'000;
  };

  explicit FakeChannel(const Shape& shape, bool lends_arrival = true)
      : terms{shape.depth,
              shape.longest,
              shape.longest > wire::kPageSize
                  ? (shape.longest + wire::kPageSize - 1) / wire::kPageSize * wire::kPageSize
                  : 0,
              shape.messages,
              shape.period,
              shape.deadline},
        source_memory(zeroed(terms.source_bytes())),
        arrival_memory(zeroed(terms.arrival_bytes())),
        demand_memory(zeroed(sizeof(wire::ChannelDemand))),
        verdict_memory(zeroed(sizeof(wire::ChannelVerdict))),
        times(shape.messages),
        bell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        doorbell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    socket.reset(ends[0]);
    nicsim.reset(ends[1]);
    set_state(wire::ChannelState::kConnected);
    set_executor(wire::ExecutorDemand::kHost);
    sender = std::make_unique<DatagramSender>(
        SenderViews{&source(), &demand(), &verdict(), lends_arrival ? &arrival() : nullptr,
                    bell.get(), NicDoorbell{&nic_sleeps, doorbell.get()}, &gone},
        terms, times);
    receiver = std::make_unique<DatagramReceiver>(
        ReceiverViews{&source(), &arrival(), &demand(), &verdict(), bell.get(), socket.get(),
                      &gone},
        terms);
  }

  wire::ChannelSource& source() { return *as<wire::ChannelSource>(source_memory); }
  wire::ChannelArrival& arrival() { return *as<wire::ChannelArrival>(arrival_memory); }
  wire::ChannelDemand& demand() { return *as<wire::ChannelDemand>(demand_memory); }
  wire::ChannelVerdict& verdict() { return *as<wire::ChannelVerdict>(verdict_memory); }

  void set_state(wire::ChannelState state, int status = VMMC_OK) {
    verdict().status = status;
    verdict().state = static_cast<std::uint32_t>(state);
    ring();
  }
  void set_executor(wire::ExecutorDemand executor) {
    verdict().executor = static_cast<std::uint32_t>(executor);
  }
  void ring() {
    const std::uint64_t one = 1;
    (void)!::write(bell.get(), &one, sizeof one);
  }

  // Carries out what waits in the outgoing queue; `loses`: all of it is lost. How many there were.
  std::uint32_t carry_out(bool loses = false) {
    std::uint32_t done = 0;
    for (;; ++done) {
      const wire::DatagramSlot& from = source().outgoing[carried % wire::kChannelSlots];
      if (from.sequence.load() != carried + 1) return done;
      const bool page = from.place == wire::DatagramPlace::kPage;
      wire::DatagramSlot& to = arrival().slots[from.number % wire::kChannelSlots];
      to.sent = from.sent;
      to.number = from.number;
      to.place = loses ? wire::DatagramPlace::kLost : from.place;
      to.index = page ? from.index : from.target;
      to.length = from.length;
      to.tag = from.tag;
      if (loses) {
        const std::uint64_t n = verdict().returned;
        verdict().returns[n % wire::kChannelSlots] = wire::make_returned(from.place, to.index);
        verdict().returned = n + 1;
      } else if (!page) {
        std::memcpy(arrival_memory.get() + terms.arrival_buffer_offset(from.target),
                    source_memory.get() + terms.source_buffer_offset(from.index), from.length);
      }
      to.sequence = from.number + 1;
      verdict().carried_out = ++carried;
      if (arrival().receiver_sleeps.exchange(0) != 0) ring();
    }
  }

  const ChannelTerms terms;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  using Memory = std::unique_ptr<std::byte, Free>;
  Memory source_memory;
  Memory arrival_memory;
  Memory demand_memory;
  Memory verdict_memory;
  std::vector<std::uint64_t> times;
  platform::FileDescriptor bell;
  platform::FileDescriptor doorbell;
  platform::FileDescriptor socket;
  platform::FileDescriptor nicsim;
  std::atomic<std::uint32_t> nic_sleeps{0};
  std::atomic<bool> gone{false};
  std::uint64_t carried = 0;
  std::unique_ptr<DatagramSender> sender;
  std::unique_ptr<DatagramReceiver> receiver;

 private:
  static Memory zeroed(std::size_t bytes) {
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(wire::kPageSize, bytes));
    std::memset(memory, 0, bytes);
    return Memory(memory);
  }
  template <typename T>
  static T* as(const Memory& memory) {
    return reinterpret_cast<T*>(memory.get());
  }
};

}  // namespace vmmc::internal::testing
