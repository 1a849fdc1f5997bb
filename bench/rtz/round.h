// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One round between two processes: some messages by a timetable in one direction, or there and
// back. Both ends get the same Round; side 0 sends, side 1 receives (and answers).
//
// Times: ns of CLOCK_MONOTONIC. Every byte of every message is checked.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "bench/rtz/port.h"
#include "platform/histogram.h"

namespace vmmc::bench {

enum class RoundKind : std::uint32_t { kOneWay, kPingPong, kQuit };

struct Round {
  RoundKind kind = RoundKind::kQuit;
  bool spin = false;  // else the receivers block (rtz: adaptive)
  bool fifo = false;
  std::uint32_t stream = 0;  // of the payloads
  std::uint32_t bytes = 0;
  std::uint64_t warm_up = 0;  // messages at the beginning that do not count
  std::uint64_t count = 0;    // that count
  std::uint64_t start = 0;    // when message 0 is due
  std::uint64_t period = 0;
  std::uint64_t deadline = 0;
  // How long the sender is awake before a message is due, ns. 0: as long as its sleeps overshoot, which it
  // finds out between the command and the start.
  std::uint64_t awake = 0;
};

// A histogram that another process can read when the round is over.
struct HistogramImage {
  std::array<std::uint64_t, platform::Histogram::kBuckets> counts;
  platform::Histogram::Exact exact;

  void store(const platform::Histogram& histogram);
  void merge_into(platform::Histogram& histogram) const;
};

// Of the messages that count.
struct Outcome {
  HistogramImage latency;    // from the time when the message was due; ping-pong: half of the trip
  HistogramImage from_send;  // from the time when it was sent
  std::uint64_t received = 0;
  std::uint64_t lost = 0;
  std::uint64_t misses = 0;      // latency from the due time above the deadline; the lost ones, too
  std::uint64_t own_misses = 0;  // as the connection counts them, from the send; warm-up too
  char path[16] = "";
  std::uint64_t awake = 0;  // the sender was so long before a message was due, ns
};

struct RoundMemory {
  Round round;
  Outcome outcome;
  std::atomic<bool> all_sent;
  std::atomic<bool> fifo_refused;
};

void send_side(Port& port, RoundMemory& memory);
void receive_side(Port& port, RoundMemory& memory);

}  // namespace vmmc::bench
