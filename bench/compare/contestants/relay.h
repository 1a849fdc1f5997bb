// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A process between two others, without any library: senders hand descriptors of 64 bytes to the
// relay, which writes to the receivers' memory. Its CPU is the third of --cpus.
//
// Processes: rank 0 and 1 measure, rank 2 is the relay until rank 0 ends it.
#pragma once

#include "bench/compare/contestants/shared_window.h"

namespace contestant {

// What a sender hands to the relay: the message itself if it fits, else where it lies.
struct alignas(kCacheLine) Descriptor {
  static constexpr std::size_t kInside = 40;

  std::atomic<std::uint32_t> full;
  std::uint32_t announce;
  std::uint64_t number;
  std::uint64_t slot;
  std::byte data[kInside];
};
static_assert(sizeof(Descriptor) == kCacheLine);

// Both directions' queues, sources (which the relay reads) and windows (which it writes).
class RelayLink {
 public:
  // Before fork().
  explicit RelayLink(const Options& options)
      : bytes_(options.bytes), sides_{Side(options), Side(options)} {}
  void connect(Control& control) { rank_ = control.rank(); }

  [[noreturn]] void relay() {
    for (Patience patience;; patience()) {
      while (take_one(sides_[0], sides_[1].window)) {
      }
      while (take_one(sides_[1], sides_[0].window)) {
      }
    }
  }

  std::byte* source(std::size_t slot) { return sides_[rank_].source + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t number, bool announce) {
    Descriptor& place = sides_[rank_].queue[sent_++ % kQueue];
    poll_until([&] { return place.full.load(std::memory_order_acquire) == 0; });
    place.announce = announce ? 1 : 0;
    place.number = number;
    place.slot = slot;
    if (bytes_ <= Descriptor::kInside) std::memcpy(place.data, source(slot), bytes_);
    place.full.store(1, std::memory_order_release);
  }
  void flush() {}

  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    return sides_[rank_].window.wait(slot, 1 - rank_, number, announce);
  }

 private:
  static constexpr std::size_t kQueue = 1024;

  struct Side {
    explicit Side(const Options& options)
        : queue(reinterpret_cast<Descriptor*>(shared_memory(kQueue * sizeof(Descriptor)))),
          source(shared_memory(options.bytes * slots_for(options))),
          window(options) {}
    Descriptor* queue;  // what this side sends
    std::byte* source;
    SharedWindow window;   // what this side receives
    std::size_t next = 0;  // the relay's place in the queue
  };

  bool take_one(Side& from, SharedWindow& to) {
    Descriptor& place = from.queue[from.next % kQueue];
    if (place.full.load(std::memory_order_acquire) == 0) return false;
    const bool inside = bytes_ <= Descriptor::kInside;
    to.store(place.slot, inside ? place.data : from.source + place.slot * bytes_, place.number,
             place.announce != 0);
    place.full.store(0, std::memory_order_release);
    ++from.next;
    return true;
  }

  std::size_t bytes_;
  Side sides_[2];
  std::size_t sent_ = 0;
  int rank_ = 0;
};

inline void run_relay(const Options& options) {
  RelayLink link(options);
  Control control = fork_processes(options, 3);
  if (control.rank() == 2) link.relay();
  link.connect(control);
  Control two(&control.block(), control.rank(), 2);
  measure(options, two, link);
  if (control.rank() == 0) end_process(2);
}

}  // namespace contestant
