// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The real-time channels. What their processes have stored is read once, and shown as it is.

#include <atomic>

#include "nicsim/inspect/snapshot_parts.h"
#include "nicsim/wire/latency_buckets.h"

namespace vmmc::nicsim::inspect {
namespace {

namespace json = boost::json;

std::uint64_t read(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

json::string_view state_name(const wire::ChannelVerdict& verdict) {
  switch (static_cast<wire::ChannelState>(verdict.state.load(std::memory_order_relaxed))) {
    case wire::ChannelState::kOffered:
      return "offered";
    case wire::ChannelState::kConnected:
      return "connected";
    case wire::ChannelState::kSenderEnded:
      return "sender_ended";
    default:
      return "receiver_ended";
  }
}

// Datagrams that have come to the receiver, or were lost: what it has passed, and what stands in the
// arrival queue behind that.
std::uint64_t arrived(const wire::ChannelArrival& arrival, std::uint64_t passed) {
  std::uint64_t waiting = 0;
  while (waiting < wire::kChannelSlots &&
         read(arrival.slots[(passed + waiting) % wire::kChannelSlots].sequence) ==
             passed + waiting + 1) {
    ++waiting;
  }
  return passed + waiting;
}

json::object counts(const real_time::ChannelMemory& memory, const Storage& storage) {
  const wire::ChannelDemand& demand = memory.demand();
  const std::uint64_t received = read(demand.received);
  const std::uint64_t lost = read(demand.lost);
  const std::uint64_t passed = received + lost + read(demand.malformed);
  return json::object({{"sent", arrived(memory.arrival(), passed)},
                       {"received", received},
                       {"lost", lost},
                       {"refused", read(memory.verdict().refused)},
                       {"over_budget", read(memory.source().refused)},
                       {"without_page", read(memory.source().without_page)},
                       {"deadline_misses", read(demand.deadline_misses)}},
                      storage);
}

json::object budget(const real_time::Budget& budget, const Storage& storage) {
  return json::object({{"messages", budget.messages},
                       {"period_ns", budget.period},
                       {"longest", budget.longest},
                       {"deadline_ns", budget.deadline}},
                      storage);
}

json::object latency(const wire::ChannelDemand& demand, const Storage& storage) {
  const wire::LatencyCounts counts(demand);
  return json::object({{"p50_ns", counts.of_share(0.5)},
                       {"p99_ns", counts.of_share(0.99)},
                       {"max_ns", counts.of_share(1)}},
                      storage);
}

}  // namespace

json::array real_time_channels(const real_time::RealTimeChannels& channels,
                               const Storage& storage) {
  json::array result(storage);
  for (const auto& channel : channels.all()) {
    const real_time::ChannelMemory& memory = channel->memory();
    result.push_back(
        json::object({{"receiver", identity_or_null(channel->receiver().process, storage)},
                      {"channel", channel->terms().id},
                      {"sender", identity_or_null(channel->sender().process, storage)},
                      {"state", state_name(memory.verdict())},
                      {"executor", channel->is_on_nic() ? "nic" : "host"},
                      {"budget", budget(channel->terms().budget, storage)},
                      {"depth", channel->terms().depth},
                      {"bytes", channel->terms().memory()},
                      {"counts", counts(memory, storage)},
                      {"latency", latency(memory.demand(), storage)}},
                     storage));
  }
  return result;
}

}  // namespace vmmc::nicsim::inspect
