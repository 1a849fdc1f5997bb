// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the contestants have in common: frames come from a file or an interface and go to a Tally.
//
// Threads: one. Errors: end the process with a sentence.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/ring/tally.h"

namespace vmmc::bench {

inline constexpr std::uint32_t kSnapLength = 2048;  // the same for all
inline constexpr int kBufferBytes = 24 << 20;       // in all, of ring and libpcap

enum class Contestant { kRing, kPcap, kTap };
inline constexpr int kContestants = 3;
const char* contestant_name(Contestant contestant);
// How often a frame's bytes are copied between the source and the program's look at them.
const char* copies_of(Contestant contestant, bool from_file);

// As the receiver's own counters say.
struct Losses {
  std::uint64_t frames = 0;
  std::uint64_t waits = 0;  // times it slept, where it counts that
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  // Gives what there is to the tally, waiting up to `timeout` ns if there is nothing. False: the
  // source has ended.
  virtual bool drain(Tally& tally, std::uint64_t timeout) = 0;
  virtual Losses losses() = 0;
};

// `file`: a capture; its position does not matter, and is changed.
std::unique_ptr<Receiver> open_file(Contestant contestant, int file);
// `interface`: a tap must not be open elsewhere.
std::unique_ptr<Receiver> open_interface(Contestant contestant, const std::string& interface);

std::unique_ptr<Receiver> open_ring_file(int file);
std::unique_ptr<Receiver> open_ring_interface(const std::string& interface);
std::unique_ptr<Receiver> open_pcap_file(int file);
std::unique_ptr<Receiver> open_pcap_interface(const std::string& interface);
std::unique_ptr<Receiver> open_tap(const std::string& interface);

}  // namespace vmmc::bench
