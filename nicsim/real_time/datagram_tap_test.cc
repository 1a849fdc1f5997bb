// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a tap sees of the datagrams that nicsim carries out.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "nicsim/real_time/testing/traced_carrier.h"
#include "nicsim/testing/trace_reader.h"

namespace vmmc::nicsim::real_time {
namespace {

using nicsim::testing::records_of;
using testing::kEnds;
using Fixture = testing::TracedCarrier;
using enum wire::TraceEvent;

constexpr std::uint32_t kLong = 9000;  // three fragments

struct Tap final : PacketTap {
  void passed(const PacketHeader& header,
              std::span<const std::span<const std::byte>> payload) override {
    std::string bytes;
    for (const auto& piece : payload) {
      bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    seen.emplace_back(header, bytes);
  }
  std::vector<std::pair<PacketHeader, std::string>> seen;
};

TEST_CASE("the tap gets the fragments as they were written, and pages as they stand") {
  Fixture f;
  Tap tap;
  f.instruments.show_packets_to(&tap);
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  REQUIRE(f.sender.send_page(100, f.now));
  f.packets();
  f.instruments.show_packets_to(nullptr);
  REQUIRE(f.sender.send_page(8, f.now));
  f.packets();
  REQUIRE(tap.seen.size() == 4);
  for (std::uint32_t n = 0; n < 4; ++n) {
    CAPTURE(n);
    const auto& [header, payload] = tap.seen[n];
    const bool is_page = n == 3;
    const std::uint32_t offset = is_page ? 0 : n * wire::kPageSize;
    CHECK(header.event == static_cast<std::uint8_t>(is_page ? kPacketCrossed : kMemoryWritten));
    CHECK(header.kind == wire::kTraceRealTimeDatagram);
    CHECK(((header.flags & wire::kTraceLendsPage) != 0) == is_page);
    CHECK(((header.flags & wire::kTraceLastPacket) != 0) == (n >= 2));
    CHECK(header.from_node == kEnds.from_node);
    CHECK(header.from_process == kEnds.from_process);
    CHECK(header.to_node == kEnds.to_node);
    CHECK(header.to_process == kEnds.to_process);
    CHECK(header.buffer == kEnds.channel);
    CHECK(header.operation == (is_page ? 2 : 1));
    CHECK(header.packet == (is_page ? 0 : n));
    CHECK(header.offset == offset);
    CHECK(header.length == payload.size());
    CHECK(payload == f.sent(is_page ? 1 : 0, offset,
                            is_page ? 100 : std::min(wire::kPageSize, kLong - offset)));
  }
}

TEST_CASE("the tap gets nothing of what does not arrive, and the rest of what was under way") {
  Fixture f;
  f.start_trace();
  Tap tap;
  REQUIRE(f.sender.send_buffer(kLong, f.now));
  f.packet();
  f.instruments.show_packets_to(&tap);
  f.fault(FaultPlan::Action::kDrop);
  f.packets();
  REQUIRE(tap.seen.size() == 1);
  CHECK(tap.seen[0].first.packet == 2);
  CHECK(tap.seen[0].first.operation == 1);
  CHECK(records_of(f.trace, kMemoryWritten).back()->time == tap.seen[0].first.time);
}

}  // namespace
}  // namespace vmmc::nicsim::real_time
