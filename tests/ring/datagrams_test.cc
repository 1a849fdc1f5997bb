// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Rings of the backplane: packets of real-time datagrams.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "nicsim/trace/packet_header.h"
#include "nicsim/wire/trace_record.h"
#include "tests/ring/ring_run.h"
#include "tests/rtz/channels.h"

using namespace vmmc::testing;
using vmmc::nicsim::PacketHeader;
using vmmc::wire::TraceEvent;

namespace {

constexpr std::size_t kLong = 10'000;
constexpr std::size_t kPacket = 4096;
constexpr std::uint64_t kDatagrams = 24;
constexpr vmmc_rtz_budget kBudget{
    .messages = 10, .period = kMillisecond, .longest = kLong, .deadline = kSecond};

// Pages and long ones in turn, of every length around a packet's.
std::size_t length_of(std::uint64_t number) {
  constexpr std::size_t kLengths[] = {0, 1, kPacket - 1, kPacket, kPacket + 1, 2 * kPacket, kLong};
  return kLengths[number % 7];
}

void receive_all(Part& part) {
  attach();
  vmmc_rtz_channel* const channel = open(kBudget, 8);
  part.meet();
  for (std::uint64_t number = 0; number < kDatagrams; ++number) {
    const vmmc_rtz_datagram datagram = receive(channel);
    EXPECT(datagram.number == number);
    EXPECT(is_filled(datagram, number));
    give_back(channel, datagram);
  }
  part.meet();
}

void send_all(Part& part) {
  attach();
  part.meet();
  vmmc_rtz_channel* const channel = connect(0);
  for (std::uint64_t number = 0; number < kDatagrams; ++number) {
    send(channel, length_of(number), number);
  }
  EXPECT(counters_of(channel).executor == VMMC_EXECUTOR_NIC);
  part.meet();
}

vmmc_ring* open_ring(std::uint32_t node, std::uint32_t id) {
  vmmc_ring* ring = nullptr;
  EXPECT(vmmc_ring_open_backplane(node, id, nullptr, &ring) == VMMC_OK);
  return ring;
}

// The ring's next frame is this packet of that datagram: header, and its own bytes.
void expect_packet(vmmc_ring* ring, std::uint64_t number, std::uint32_t packet) {
  const vmmc_frame* frame = nullptr;
  EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
  EXPECT(frame->captured >= sizeof(PacketHeader));
  EXPECT(frame->length == frame->captured);
  EXPECT(frame->dropped == 0);
  PacketHeader header;
  std::memcpy(&header, vmmc_frame_data(frame), sizeof header);
  const std::size_t length = length_of(number);
  const bool lends_page = length <= kPacket;
  EXPECT(header.kind == vmmc::wire::kTraceRealTimeDatagram);
  EXPECT(header.event == static_cast<std::uint8_t>(lends_page ? TraceEvent::kPacketCrossed
                                                              : TraceEvent::kMemoryWritten));
  EXPECT(((header.flags & vmmc::wire::kTraceLendsPage) != 0) == lends_page);
  EXPECT(header.from_node == 1);
  EXPECT(header.to_node == 0);
  EXPECT(header.from_process == identity_of(1).process);
  EXPECT(header.to_process == identity_of(0).process);
  EXPECT(header.buffer == kChannel);
  EXPECT(header.packet == packet);
  EXPECT(header.offset == packet * kPacket);
  EXPECT(header.length == std::min(kPacket, length - header.offset));
  EXPECT(header.length == frame->captured - sizeof header);
  const unsigned char* const bytes = vmmc_frame_data(frame) + sizeof header;
  for (std::size_t i = 0; i < header.length; ++i) {
    EXPECT(bytes[i] == byte_of(number, header.offset + i));
  }
}

void expect_all(vmmc_ring* ring) {
  for (std::uint64_t number = 0; number < kDatagrams; ++number) {
    const std::size_t packets =
        std::max<std::size_t>((length_of(number) + kPacket - 1) / kPacket, 1);
    for (std::uint32_t packet = 0; packet < packets; ++packet) expect_packet(ring, number, packet);
  }
}

}  // namespace

TEST_CASE("S13.13 the packets of real-time datagrams, fragments and pages that are lent") {
  NicsimProcess nicsim;
  run_processes(nicsim, {receive_all, send_all, [](Part& part) {
                           attach();
                           vmmc_ring* const all = open_ring(VMMC_ANY, 1);
                           vmmc_ring* const receivers = open_ring(0, 2);
                           vmmc_ring* const another = open_ring(2, 3);
                           part.meet();
                           expect_all(all);
                           expect_all(receivers);
                           part.meet();
                           const vmmc_frame* frame = nullptr;
                           for (vmmc_ring* const ring : {all, receivers, another}) {
                             EXPECT(vmmc_ring_next(ring, &frame, 0) == VMMC_ERR_TIMEOUT);
                           }
                         }});
}
