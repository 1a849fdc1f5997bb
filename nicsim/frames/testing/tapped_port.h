// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: a receive ring at the backplane's port, and its one consumer.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "nicsim/frames/backplane_port.h"
#include "nicsim/frames/testing/numbered_frames.h"
#include "nicsim/frames/testing/ring_consumer.h"

namespace vmmc::nicsim::testing {

struct SeenPacket {
  PacketHeader header;
  std::string payload;
  std::uint64_t dropped;  // frames, before this one
};

class TappedPort {
 public:
  // 2 MiB of blocks: no test here lets it overflow.
  explicit TappedPort(BackplanePort& backplane, std::uint32_t node = wire::kAnyNode)
      : port_(backplane),
        ring_(std::move(std::get<std::unique_ptr<FrameRing>>(
            FrameRing::make({.source = wire::FrameSourceKind::kBackplane,
                             .blocks = 32,
                             .block_bytes = 16 * wire::kPageSize,
                             .snap_length = wire::kBackplaneHeaderBytes + wire::kPageSize})))),
        joined_(std::move(std::get<FrameRing::Joined>(ring_->join()))),
        consumer_(ring_->port(joined_.consumer).shared(), ring_->memory().data()) {
    port_.add(*ring_, node);
  }
  ~TappedPort() { port_.remove(*ring_); }
  TappedPort(const TappedPort&) = delete;
  TappedPort& operator=(const TappedPort&) = delete;

  // What has passed since the last time.
  std::vector<SeenPacket> take() {
    port_.publish();
    std::vector<SeenPacket> all;
    while (const auto* frame = consumer_.next()) {
      const auto bytes = RingConsumer::bytes(*frame);
      REQUIRE(bytes.size() >= sizeof(PacketHeader));
      const auto payload = bytes.subspan(sizeof(PacketHeader));
      all.push_back({NumberedFrames::header_of(bytes),
                     std::string(reinterpret_cast<const char*>(payload.data()), payload.size()),
                     frame->dropped});
    }
    return all;
  }

 private:
  BackplanePort& port_;
  std::unique_ptr<FrameRing> ring_;
  FrameRing::Joined joined_;
  RingConsumer consumer_;
};

}  // namespace vmmc::nicsim::testing
