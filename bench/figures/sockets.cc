// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/sockets.h"

#include <algorithm>
#include <cstring>

namespace vmmc::figures {

using nicsim::sim::Combining;
using nicsim::sim::Comparison;
using nicsim::sim::Process;
using nicsim::sim::Proxy;
using nicsim::sim::Task;

namespace {

constexpr std::uint32_t kRingId = 201;
constexpr std::uint32_t kCountsId = 202;

}  // namespace

Socket::Socket(Process& self, SocketCosts costs)
    : self_(self),
      costs_(costs),
      ring_(self.allocate(kRing)),
      counts_(self.allocate(4096)),
      outgoing_(self.allocate(kRing)),
      outgoing_counts_(self.allocate(4096)) {}

Task<> Socket::connect(std::uint32_t peer) {
  co_await self_.export_buffer(kRingId, ring_);
  co_await self_.export_buffer(kCountsId, counts_);
  remote_ = co_await self_.import(peer, kRingId);
  const Proxy counts = co_await self_.import(peer, kCountsId);
  remote_ring_ = self_.bind(outgoing_, remote_, kRing, {.combining = Combining::kBlockWrite});
  remote_counts_ =
      self_.bind(outgoing_counts_, counts, 4096, {.combining = Combining::kSingleWrite});
}

Task<> Socket::put(const std::byte* bytes, std::uint32_t length) {
  const std::uint32_t at = written_ % kRing;
  if (length <= kByStores) {
    co_await self_.store_bytes(remote_ring_ + at, bytes, length);
  } else {
    co_await self_.send(bytes, remote_ + at, length);
  }
  written_ += length;
}

Task<> Socket::write(const std::byte* bytes, std::uint32_t length) {
  co_await self_.compute(costs_.write_ns);
  const std::uint32_t& read_there = counts_.word<std::uint32_t>(4);
  while (length > 0) {
    if (written_ - read_there == kRing)
      co_await self_.wait(&read_there, Comparison::kNotEqual, read_there);
    const std::uint32_t room = kRing - (written_ - read_there);
    const std::uint32_t part = std::min({length, room, kRing - written_ % kRing});
    co_await put(bytes, part);
    bytes += part;
    length -= part;
    if (length == 0 || written_ - read_there == kRing)
      co_await self_.store(remote_counts_, written_);
  }
}

Task<> Socket::read(std::byte* bytes, std::uint32_t length) {
  const std::uint32_t& written = counts_.word<std::uint32_t>(0);
  std::uint32_t there_before = written - read_;
  bool first = true;
  while (length > 0) {
    if (written == read_) co_await self_.wait(&written, Comparison::kNotEqual, read_);
    if (first) co_await self_.compute(costs_.read_ns);
    first = false;
    const std::uint32_t part = std::min({length, written - read_, kRing - read_ % kRing});
    const std::uint32_t to_copy = costs_.redirection ? std::min(part, there_before) : part;
    there_before -= std::min(part, there_before);
    co_await self_.copy(to_copy);
    std::memcpy(bytes, ring_ + read_ % kRing, part);
    bytes += part;
    length -= part;
    read_ += part;
    if (read_ - told_ >= kRing / 4) {
      told_ = read_;
      co_await self_.store(remote_counts_ + 4, read_);
    }
  }
}

}  // namespace vmmc::figures
