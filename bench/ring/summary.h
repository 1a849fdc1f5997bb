// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What some rounds of the same measurement say together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/ring/call_count.h"
#include "bench/ring/receiver.h"

namespace vmmc::bench {

struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};
Spread spread_of(std::vector<double> values);

struct CallsOfFrame {
  double all;
  double yields;
};
inline CallsOfFrame each(const Calls& calls, std::uint64_t frames) {
  const auto count = static_cast<double>(frames);
  return {static_cast<double>(calls.all) / count, static_cast<double>(calls.yields) / count};
}

// Each vector has one value for each round.
struct FileSummary {
  Contestant contestant;
  std::string cores;  // "one core", "two cores"
  std::vector<double> frames_per_s;
  std::vector<double> receiver_ns;  // of processor time, for each frame
  std::vector<double> nicsim_ns;
  std::optional<CallsOfFrame> receiver_calls;
  std::optional<CallsOfFrame> nicsim_calls;
};

struct LiveSummary {
  Contestant contestant;
  std::vector<double> loss_free;      // frames per second
  bool sender_was_the_limit = false;  // in some round nothing was lost at its full speed
  std::vector<double>
      beside_pcap;  // loss_free beside libpcap's of the same round; empty: without one
  // At the common rate:
  std::vector<double> receiver_ns;
  std::vector<double> nicsim_ns;
  std::vector<double> sender_ns;
  std::optional<CallsOfFrame> receiver_calls;
  std::optional<CallsOfFrame> nicsim_calls;
};

}  // namespace vmmc::bench
