// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The sender's end of a real-time channel, over its mappings: pages and buffers, the budget, and
// both executors.
//
// Threads and processes
//   One thread. Takes no lock and allocates nothing; system calls are made to wake a receiver that
//   sleeps, and nicsim (nic executor), and no others. What the receiver says is checked: it can
//   stop the channel, and do no more.
//
// Invariants
//   Datagrams that are out (sent and not returned) and memory in the program's hands are at most
//   `depth`, so that who has acquired memory finds a slot and a buffer when it is sent.
//   Datagram n goes to arrival slot n % kChannelSlots, when the receiver has passed n - kChannelSlots.
//   A datagram is carried out by the host executor only if nothing is under way in the outgoing queue.
//
// What a crash at any instruction leaves behind
//   Slots that are whole, or not published.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vmmc/internal/real_time/channel_views.h"
#include "vmmc/internal/real_time/memory_pool.h"
#include "vmmc/internal/real_time/send_window.h"
#include "vmmc/rtz.h"

namespace vmmc::internal {

class DatagramSender {
 public:
  // `times`: as many as messages of a period, all 0.
  DatagramSender(const SenderViews& views, const ChannelTerms& terms,
                 std::span<std::uint64_t> times);
  DatagramSender(const DatagramSender&) = delete;
  DatagramSender& operator=(const DatagramSender&) = delete;

  // As the functions of vmmc/rtz.h, whose pointers are not null.
  int acquire(std::size_t length, void** memory);
  int release(void* memory);
  int send(void* memory, std::size_t length, std::uint64_t tag);
  int send_copy(const void* data, std::size_t length, std::uint64_t tag);
  std::uint64_t next_send() const;
  void read_counters(vmmc_rtz_counters& counters) const;

  const ChannelTerms& terms() const { return terms_; }
  const wire::ChannelDemand& demand() const { return *views_.demand; }

 private:
  // A page or buffer of the source part.
  struct Place {
    MemoryPool* pool = nullptr;
    std::uint32_t index = 0;
    bool page = false;
  };
  struct Datagram {
    std::uint64_t sent;
    std::uint64_t tag;
    wire::DatagramPlace place;
    std::uint32_t index;
    std::uint32_t length;
    std::uint32_t target;
  };

  int check_open() const;
  int refuse_ended() const;
  int refuse_over_budget(std::uint64_t now);
  int refuse_without_page();
  int refuse_too_long(std::size_t length) const;
  int refuse_not_held(const void* memory) const;
  // Makes sure that one more datagram may be out; looks at what has come back only if it must.
  bool has_room() const { return out_ + held_ < terms_.depth && number_ + held_ < slots_end_; }
  bool make_room(const MemoryPool& pool);
  Place place_of(const void* memory);
  std::byte* address_of(bool page, std::uint32_t index) const;

  bool host_executes();
  void send_page(std::uint32_t page, std::size_t length, std::uint64_t now, std::uint64_t tag);
  void send_short_buffer(std::uint32_t buffer, std::size_t length, std::uint64_t now,
                         std::uint64_t tag);
  void send_buffer(std::uint32_t buffer, std::size_t length, std::uint64_t now, std::uint64_t tag);
  void send_straight(const void* data, std::size_t length, std::uint64_t now, std::uint64_t tag);
  void arrive(const Datagram& datagram);
  void post(const Datagram& datagram);
  void wake_receiver();
  void wake_nicsim();

  void harvest();
  void take_back(std::uint32_t returned);
  void harvest_carried_out();

  const SenderViews views_;
  const ChannelTerms terms_;
  SendWindow window_;
  MemoryPool pages_;
  MemoryPool buffers_;                 // of the source part
  MemoryPool targets_;                 // of the arrival part
  std::uint32_t out_ = 0;              // datagrams
  std::uint32_t held_ = 0;             // by the program
  std::uint64_t number_ = 0;           // of the next datagram
  std::uint64_t slots_end_;            // datagrams below it have an arrival slot
  std::uint64_t posted_ = 0;           // entries of the outgoing queue
  std::uint64_t carried_out_ = 0;      // that we know of
  std::uint64_t demand_returned_ = 0;  // entries of the demand's returns that we have taken
  std::uint64_t verdict_returned_ = 0;
  bool nic_ = false;  // the last datagram went to the outgoing queue
  // By place in the outgoing queue: the source buffer that is free when it is carried out.
  static constexpr std::uint8_t kNone = 0xff;
  std::array<std::uint8_t, wire::kChannelSlots> posted_buffers_;
};

}  // namespace vmmc::internal
