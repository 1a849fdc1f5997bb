// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The receiver's end of a real-time channel, over its mappings.
//
// Threads and processes
//   One thread. Takes no lock and allocates nothing; makes no system call but to sleep. Whoever
//   writes the source and arrival parts is not trusted: each field of a slot is read once, and what
//   makes no sense is passed over and counted.
//
// Invariants
//   `received`, `lost` and `malformed` together are the number of the next datagram.
//   A page or buffer is returned at most once for each datagram that was received in it.
//   Nobody sleeps without having armed, and looked once more at the next slot, at the verdict, and
//   whether nicsim is there.
//
// What a crash at any instruction leaves behind
//   Pages that are not returned; nicsim sees the hang-up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "platform/adaptive_wait.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/real_time/channel_views.h"
#include "vmmc/rtz.h"

namespace vmmc::internal {

class DatagramReceiver {
 public:
  DatagramReceiver(const ReceiverViews& views, const ChannelTerms& terms);
  DatagramReceiver(const DatagramReceiver&) = delete;
  DatagramReceiver& operator=(const DatagramReceiver&) = delete;

  // As the functions of vmmc/rtz.h, whose pointers are not null.
  int receive(vmmc_rtz_datagram* datagram, std::uint64_t timeout) {
    return take(datagram) ? static_cast<int>(VMMC_OK) : wait(datagram, timeout);
  }
  int give_back(const vmmc_rtz_datagram& datagram);
  int arm();
  int descriptor() const { return views_.bell; }
  void read_counters(vmmc_rtz_counters& counters) const;

  const ChannelTerms& terms() const { return terms_; }
  const wire::ChannelDemand& demand() const { return *views_.demand; }

 private:
  // What a slot says, read once.
  struct Arrival {
    std::uint64_t sent;
    std::uint64_t number;
    wire::DatagramPlace place;
    std::uint32_t index;
    std::uint32_t length;
    std::uint64_t tag;
  };

  bool take(vmmc_rtz_datagram* datagram);
  bool there() const;
  static Arrival read(wire::DatagramSlot& slot);
  bool makes_sense(const Arrival& arrival) const;
  void accept(const Arrival& arrival, vmmc_rtz_datagram* datagram);
  const std::byte* address_of(const Arrival& arrival) const;
  int wait(vmmc_rtz_datagram* datagram, std::uint64_t timeout);
  int end() const;
  void sleep(Deadline& deadline);
  void disarm();
  void take_rings();

  static constexpr std::uint64_t kNotHeld = UINT64_MAX;
  using Holdings = std::array<std::uint64_t, wire::kMaxChannelDepth>;  // number of the datagram
  Holdings& holdings(wire::DatagramPlace place) {
    return place == wire::DatagramPlace::kPage ? pages_ : buffers_;
  }
  const Holdings& holdings(wire::DatagramPlace place) const {
    return place == wire::DatagramPlace::kPage ? pages_ : buffers_;
  }

  const ReceiverViews views_;
  const ChannelTerms terms_;
  std::uint64_t next_ = 0;  // number of the next datagram
  std::uint64_t returned_ = 0;
  Holdings pages_;
  Holdings buffers_;
  std::uint32_t waits_ = 0;
  platform::AdaptiveWait wait_;
};

}  // namespace vmmc::internal
