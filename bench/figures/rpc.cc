// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "bench/figures/rpc.h"

#include <array>

namespace vmmc::figures {

using nicsim::sim::Combining;
using nicsim::sim::Comparison;
using nicsim::sim::Process;
using nicsim::sim::Proxy;
using nicsim::sim::Task;

namespace {

constexpr std::uint32_t kInboxId = 301;
constexpr std::uint32_t kNumberAt = 256;  // bytes; the header ends here

}  // namespace

RpcEnd::RpcEnd(Process& self, RpcCosts costs)
    : self_(self), costs_(costs), inbox_(self.allocate(4096)), outgoing_(self.allocate(4096)) {}

Task<> RpcEnd::connect(std::uint32_t peer) {
  co_await self_.export_buffer(kInboxId, inbox_);
  const Proxy proxy = co_await self_.import(peer, kInboxId);
  const bool combine = costs_.call_words > 0;
  remote_ = self_.bind(outgoing_, proxy, 4096,
                       {.combining = combine ? Combining::kBlockWrite : Combining::kSingleWrite});
}

Task<> RpcEnd::put(std::uint32_t header_words) {
  std::array<std::uint32_t, 16> message{};
  message.fill(number_);
  const std::uint32_t bytes = 4 * (header_words + 1);
  co_await self_.store_bytes(remote_ + (kNumberAt + 4 - bytes), message.data(), bytes);
  if (header_words > 0) co_await self_.flush();
}

Task<> RpcEnd::call() {
  ++number_;
  co_await self_.compute(costs_.client_ns / 2);
  co_await put(costs_.call_words);
  co_await self_.wait(&inbox_.word<std::uint32_t>(kNumberAt), Comparison::kEqual, number_);
  co_await self_.compute(costs_.client_ns / 2);
}

Task<> RpcEnd::serve() {
  ++number_;
  co_await self_.wait(&inbox_.word<std::uint32_t>(kNumberAt), Comparison::kEqual, number_);
  co_await self_.compute(costs_.server_ns);
  co_await put(costs_.reply_words);
}

}  // namespace vmmc::figures
