// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's side of one notification queue inside a test program, by the protocol of
// nicsim/wire/channel.h: a channel in a memfd, a pipe, a doorbell.
//
// Threads and processes
//   One thread at a time produces, with its signals as the test wants them; it may be of a forked
//   child, as the memory is shared.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>

#include "nicsim/wire/channel.h"
#include "platform/file_descriptor.h"
#include "platform/shared_memory.h"

namespace vmmc::internal::testing {

class FakeNicsim {
 public:
  FakeNicsim() {
    auto file = platform::create_shared_memory("channel", wire::kChannelBytes);
    mapping_ =
        std::move(platform::SharedMapping::map(file.value().get(), wire::kChannelBytes).value());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("pipe2");
    reading_.reset(ends[0]);
    writing_.reset(ends[1]);
  }

  wire::Channel& channel() { return *reinterpret_cast<wire::Channel*>(mapping_.data()); }
  int doorbell() const { return doorbell_.get(); }
  platform::FileDescriptor take_pipe() { return std::move(reading_); }

  // One notification, if there is room.
  bool try_produce(const wire::Notification& notification) {
    wire::NotificationStatus& status = channel().notification_status;
    const std::uint64_t number = status.produced.load(std::memory_order_relaxed);
    if (number - consumed() >= wire::kNotificationSlots) return false;
    channel().notifications[number % wire::kNotificationSlots] = notification;
    status.produced.store(number + 1, std::memory_order_seq_cst);
    if (channel().notification_demand.client_waits.exchange(0, std::memory_order_seq_cst) == 1) {
      bytes_.fetch_add(1, std::memory_order_relaxed);
      if (::write(writing_.get(), "n", 1) != 1) lost_bytes_.fetch_add(1, std::memory_order_relaxed);
    }
    return true;
  }

  // The same; sleeps until there is room.
  void produce(const wire::Notification& notification) {
    wire::NotificationDemand& demand = channel().notification_demand;
    while (!try_produce(notification)) {
      demand.nic_waits.store(1, std::memory_order_seq_cst);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (channel().notification_status.produced.load(std::memory_order_relaxed) - consumed() <
          wire::kNotificationSlots) {
        continue;
      }
      sleeps_.fetch_add(1, std::memory_order_relaxed);
      std::uint64_t rings = 0;
      (void)!::read(doorbell_.get(), &rings, sizeof rings);
    }
  }

  void produce(std::uint64_t cookie, std::uint32_t immediate = 0) {
    produce(make(cookie, immediate));
  }

  // Everything else in it follows from the immediate.
  static wire::Notification make(std::uint64_t cookie, std::uint32_t immediate) {
    wire::Notification made{};
    made.cookie = cookie;
    made.offset = std::uint64_t{immediate} * 4;
    made.length = std::uint64_t{immediate} + 1;
    made.sender_node = immediate % 7;
    made.sender_process = immediate % 11;
    made.immediate = immediate;
    return made;
  }

  void hang_up() { writing_.reset(); }

  std::uint64_t consumed() {
    return channel().notification_demand.consumed.load(std::memory_order_acquire);
  }
  std::uint64_t bytes() const { return bytes_.load(); }            // written to the pipe
  std::uint64_t lost_bytes() const { return lost_bytes_.load(); }  // because it was full
  std::uint64_t sleeps() const { return sleeps_.load(); }

 private:
  platform::SharedMapping mapping_;
  platform::FileDescriptor reading_;
  platform::FileDescriptor writing_;
  platform::FileDescriptor doorbell_{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> lost_bytes_{0};
  std::atomic<std::uint64_t> sleeps_{0};
};

}  // namespace vmmc::internal::testing
