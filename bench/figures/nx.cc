// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/nx.h"

#include <array>
#include <cstring>

namespace vmmc::figures {

using nicsim::sim::Binding;
using nicsim::sim::Buffer;
using nicsim::sim::Combining;
using nicsim::sim::Comparison;
using nicsim::sim::Process;
using nicsim::sim::ProgramError;
using nicsim::sim::Proxy;
using nicsim::sim::Task;

namespace {

constexpr std::uint32_t kMemoryId = 101;
constexpr std::uint32_t kPacketsId = 102;
constexpr std::uint32_t kCreditsId = 103;
constexpr std::uint32_t kPage = 4096;

}  // namespace

NxEndpoint::NxEndpoint(Process& self, std::uint32_t processes, std::size_t memory_bytes,
                       NxCosts costs)
    : self_(self),
      processes_(processes),
      costs_(costs),
      memory_(self.allocate(memory_bytes)),
      packets_(self.allocate(std::size_t{processes} * kPackets * kPacketBytes)),
      credits_(self.allocate(std::size_t{processes} * kPage)),
      outgoing_(self.allocate((kPackets + 1) * std::size_t{processes} * kPacketBytes)),
      peers_(processes) {}

Task<> NxEndpoint::connect(std::vector<std::uint32_t> peers) {
  co_await self_.export_buffer(kMemoryId, memory_);
  co_await self_.export_buffer(kPacketsId, packets_);
  co_await self_.export_buffer(kCreditsId, credits_);
  constexpr std::uint32_t kOfOnePeer = kPackets * kPacketBytes;
  for (const std::uint32_t number : peers) {
    Peer& peer = peers_[number];
    peer.memory = co_await self_.import(number, kMemoryId);
    const Proxy packets = co_await self_.import(number, kPacketsId);
    const Proxy credits = co_await self_.import(number, kCreditsId);
    std::byte* local = outgoing_ + std::size_t{number} * (kPackets + 1) * kPacketBytes;
    peer.packets = self_.bind(Buffer(local, kOfOnePeer), packets + self_.number() * kOfOnePeer,
                              kOfOnePeer, {.combining = Combining::kBlockWrite});
    peer.credit = self_.bind(Buffer(local + kOfOnePeer, kPage), credits + self_.number() * kPage,
                             kPage, {.combining = Combining::kSingleWrite});
  }
}

const std::byte* NxEndpoint::trailer(std::uint32_t from) const {
  const std::uint32_t slot = from * kPackets + peers_[from].received % kPackets;
  return packets_ + (std::size_t{slot} + 1) * kPacketBytes - kTrailer;
}

const std::uint32_t& NxEndpoint::credit_word(std::uint32_t to) const {
  return credits_.word<std::uint32_t>(std::size_t{to} * kPage);
}

Task<> NxEndpoint::store_packet(std::uint32_t to, Kind kind, const void* content,
                                std::uint32_t length) {
  Peer& peer = peers_[to];
  if (peer.sent >= kPackets)
    co_await self_.wait(&credit_word(to), Comparison::kAtLeast, peer.sent - kPackets + 1);
  std::array<std::uint32_t, (kSmall + kTrailer) / 4> image;
  std::memcpy(image.data(), content, length);
  std::uint32_t* end = image.data() + length / 4;
  end[0] = length;
  end[1] = kind;
  end[2] = peer.sent + 1;
  const Binding slot = peer.packets + std::uint64_t{peer.sent % kPackets} * kPacketBytes;
  co_await self_.store_bytes(slot + (kPacketBytes - kTrailer - length), image.data(),
                             length + kTrailer);
  co_await self_.flush();
  ++peer.sent;
}

Task<> NxEndpoint::await_packet(std::uint32_t from) {
  const auto* number = reinterpret_cast<const std::uint32_t*>(trailer(from) + 8);
  co_await self_.wait(number, Comparison::kEqual, peers_[from].received + 1);
}

Task<> NxEndpoint::consumed(std::uint32_t from) {
  Peer& peer = peers_[from];
  ++peer.received;
  co_await self_.store(peer.credit, peer.received);
}

Task<> NxEndpoint::csend(std::uint32_t to, std::size_t offset, std::uint32_t length) {
  co_await self_.compute(costs_.send_ns);
  if (length <= kSmall) {
    co_await store_packet(to, kData, memory_ + offset, length);
    co_return;
  }
  co_await store_packet(to, kAnnounce, &length, 4);
  co_await await_packet(to);
  std::uint32_t place = 0;
  std::memcpy(&place, trailer(to) - 4, 4);
  co_await consumed(to);
  co_await self_.send(memory_ + offset, peers_[to].memory + place, length);
  co_await store_packet(to, kComplete, &length, 4);
}

Task<> NxEndpoint::crecv(std::uint32_t from, std::size_t offset, std::uint32_t length) {
  co_await await_packet(from);
  std::array<std::uint32_t, 2> header{};
  std::memcpy(header.data(), trailer(from), 8);
  if (header[1] == kData) {
    if (header[0] != length) throw ProgramError("crecv: a message of another length has come");
    co_await self_.compute(costs_.receive_ns);
    std::memcpy(memory_ + offset, trailer(from) - length, length);
    co_await self_.copy(length);
    co_await consumed(from);
    co_return;
  }
  co_await consumed(from);
  co_await self_.compute(costs_.receive_ns);
  const auto place = static_cast<std::uint32_t>(offset);
  co_await store_packet(from, kAnswer, &place, 4);
  co_await await_packet(from);
  co_await consumed(from);
}

}  // namespace vmmc::figures
