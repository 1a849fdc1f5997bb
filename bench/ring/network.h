// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A network namespace of our own with a veth pair and a tap, and a sender of frames.
//
// What a crash at any instruction leaves behind: nothing; the namespace goes with the last process
// in it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/ring/tally.h"

namespace vmmc::bench {

inline constexpr const char* kSendingEnd = "vsend";
inline constexpr const char* kReceivingEnd = "vreceive";
inline constexpr const char* kTapName = "tap0";

// The calling process (of one thread) moves into a namespace of its own that has the veth pair, and
// the tap if that is wanted. Says why not, if it cannot be.
std::optional<std::string> enter_own_network(bool with_tap);

// Frames dropped by an interface, as the kernel counts them.
struct InterfaceDrops {
  std::uint64_t receiving;
  std::uint64_t sending;
};
InterfaceDrops interface_drops(const std::string& interface);

// A packet socket that sends our frames by sendmmsg, past the queueing discipline.
class FrameSender {
 public:
  FrameSender(const std::string& interface, std::uint32_t bytes);
  ~FrameSender();
  FrameSender(const FrameSender&) = delete;
  FrameSender& operator=(const FrameSender&) = delete;

  struct Sent {
    std::uint64_t frames = 0;    // that the kernel took
    std::uint64_t refused = 0;   // for which it had no room
    std::uint64_t sum = 0;       // as in Tally, of those taken
    std::uint64_t duration = 0;  // ns
    std::uint64_t in_calls = 0;  // ns of it, in the calls that send
    double rate() const {
      return static_cast<double>(frames + refused) * 1e9 / static_cast<double>(duration);
    }
  };
  // `rate`: frames per second in even steps, 0: as fast as it goes. Numbers go on from call to call.
  Sent send(std::uint64_t rate, std::uint64_t duration);

 private:
  static constexpr std::size_t kMostAtATime = 64;

  void send_batch(std::size_t count, Sent& sent);

  int socket_;
  std::uint32_t bytes_;
  std::vector<unsigned char> frames_;
  std::uint64_t sum_without_number_;
  std::uint64_t next_number_ = 0;
};

}  // namespace vmmc::bench
