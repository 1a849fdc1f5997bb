// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/machine_traffic.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cassert>
#include <memory>
#include <vector>

#include "nicsim/backplane.h"
#include "nicsim/parts/counters.h"
#include "nicsim/parts/hardware.h"
#include "nicsim/sim/traffic_end.h"
#include "nicsim/sim/traffic_latencies.h"
#include "nicsim/sim/traffic_source.h"

namespace vmmc::nicsim::sim {
namespace {

using parts::Operation;
using parts::Time;

constexpr std::uint32_t kMostNodes = 4096;

double gap_ns(const MachineTrafficSettings& settings) {
  return settings.update_bytes * 1e3 / settings.offered_mb_per_s;
}

class MachineTraffic final : public parts::HardwareClient {
 public:
  explicit MachineTraffic(const MachineTrafficSettings& settings);

  MachineTrafficResult run(const TrafficProgress& progress);

  void initiated(Operation& operation) override { make_next(operation.node); }
  void delivered(Operation& operation, bool accepted) override;
  // No bytes are carried, and nobody is notified.
  void read_source(Operation&, std::uint64_t, std::span<std::byte>) override {}
  void source_free(Operation&) override {}
  void land(Operation&, const Packet&, std::span<const std::byte>) override {}
  void read_remote(Operation&, const Packet&, std::span<std::byte>) override {}
  void land_local(Operation&, std::uint64_t, std::span<const std::byte>) override {}
  void change_remote(Operation&, const Packet&) override {}
  void notified(std::uint64_t) override {}
  std::uint64_t notification_token(Operation&) override { return 0; }
  void interrupted(std::uint32_t, Time) override {}

 private:
  struct Update : Operation {
    Time made_at = 0;
  };

  void export_and_import();
  void make_next(std::uint32_t node);
  void begin(std::uint64_t node);
  MachineTrafficResult result() const;

  const MachineTrafficSettings settings_;
  const parts::MachineShape shape_;
  const TrafficTimes times_;
  const TrafficDestinations destinations_;
  parts::EventQueue queue_;
  std::vector<TrafficSource> sources_;
  std::array<std::byte, wire::kPageSize> page_;  // everybody's, as nothing is written
  Backplane tables_;
  OutgoingPageTable proxies_;
  std::vector<std::uint64_t> proxy_of_;           // by node, in bytes of the destination space
  std::vector<std::unique_ptr<Update>> updates_;  // all that were ever needed at the same time
  std::vector<Update*> unused_;
  TrafficLatencies latencies_;  // picoseconds
  std::uint64_t arrived_ = 0;
  Time last_arrival_ = 0;
  parts::Hardware hardware_;
};

MachineTraffic::MachineTraffic(const MachineTrafficSettings& settings)
    : settings_(settings),
      shape_{settings.rows, settings.columns},
      times_{gap_ns(settings) * 1000, settings.fixed_gaps, settings.updates_per_node,
             end_of(settings.duration_ns)},
      destinations_(settings.pattern, settings.rows, settings.columns, settings.hot_spot),
      tables_(shape_.nodes()),
      proxies_(2 * shape_.nodes()),
      hardware_(queue_, settings.model, shape_, tables_, *this) {
  TrafficRandom seeds(settings.seed);
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) {
    sources_.emplace_back(seeds.next());
  }
  export_and_import();
}

// A page of each node, in one table for all.
void MachineTraffic::export_and_import() {
  std::byte* const frame = page_.data();
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) {
    IncomingPageTable& incoming = tables_.node(node).incoming_pages;
    const std::uint32_t page = *incoming.enable({&frame, 1}, 0, wire::kPageSize, nullptr);
    const auto first = proxies_.map({.import_slot = 0,
                                     .import_generation = 0,
                                     .access = 3,
                                     .node = node,
                                     .first_incoming_page = page,
                                     .incoming_generations = {incoming.generation(page)},
                                     .page_offset = 0,
                                     .length = wire::kPageSize});
    proxy_of_.push_back(std::uint64_t{*first} * wire::kPageSize);
  }
}

// The next update of this node; it may have been made while the one before it was waiting.
void MachineTraffic::make_next(std::uint32_t node) {
  const auto made_at = sources_[node].next(times_);
  // From an event of its own: the hardware is in the middle of the one before.
  if (made_at) {
    queue_.at<&MachineTraffic::begin>(std::max(*made_at, queue_.now()), *this, node);
  }
}

void MachineTraffic::begin(std::uint64_t index) {
  if (unused_.empty()) {
    updates_.push_back(std::make_unique<Update>());
    unused_.push_back(updates_.back().get());
  }
  Update& update = *unused_.back();
  unused_.pop_back();
  TrafficSource& source = sources_[index];
  const auto node = static_cast<std::uint32_t>(index);
  update = Update{};
  update.kind = settings_.automatic ? parts::OperationKind::kAutomaticUpdate
                                    : parts::OperationKind::kDeliberateUpdate;
  update.combining = parts::Combining::kTimerWrite;
  update.carries_bytes = false;
  update.node = node;
  update.destinations = &proxies_;
  update.destination = proxy_of_[destinations_.next(node, source.number(), source.random())];
  update.length = settings_.update_bytes;
  update.made_at = source.made_at();
  hardware_.begin(update);
}

void MachineTraffic::delivered(Operation& operation, bool accepted) {
  assert(accepted);
  (void)accepted;
  auto& update = static_cast<Update&>(operation);
  ++arrived_;
  last_arrival_ = queue_.now();
  latencies_.record(queue_.now() - update.made_at);
  unused_.push_back(&update);
}

MachineTrafficResult MachineTraffic::run(const TrafficProgress& progress) {
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) make_next(node);
  run_events(queue_, times_, shape_.nodes(), progress, [&] { return arrived_; });
  return result();
}

MachineTrafficResult MachineTraffic::result() const {
  MachineTrafficResult result;
  result.updates = arrived_;
  fill_common(result, {arrived_, settings_.update_bytes, last_arrival_, latencies_}, times_,
              shape_.nodes(), hardware_.backplane_counters(), queue_);
  for (std::uint32_t node = 0; node < shape_.nodes(); ++node) {
    const parts::Hardware::Counters counters = hardware_.counters(node);
    result.packets += counters.format_and_send.packets;
    result.fifo_interrupts += counters.outgoing_fifo.interrupts;
    result.most_fifo_bytes = std::max(result.most_fifo_bytes, counters.outgoing_fifo.most_bytes);
  }
  return result;
}

}  // namespace

std::optional<std::string> problem_of(const MachineTrafficSettings& settings) {
  const std::uint64_t nodes = std::uint64_t{settings.rows} * settings.columns;
  if (nodes == 0 || nodes > kMostNodes) return "there are 1 to 4096 nodes";
  if (settings.update_bytes < 4 || settings.update_bytes > wire::kPageSize ||
      settings.update_bytes % 4 != 0) {
    return "an update has 4 to 4096 bytes, in words of 4";
  }
  if (!in_range(settings.offered_mb_per_s, 1e-3, 1e6)) {
    return "the offered bandwidth is not 0.001 to 1000000 MB/s";
  }
  if (auto problem = problem_of_end("updates", settings.updates_per_node, gap_ns(settings),
                                    settings.duration_ns))
    return problem;
  return problem_of(settings.pattern, settings.rows, settings.columns, settings.hot_spot);
}

MachineTrafficResult run_machine_traffic(const MachineTrafficSettings& settings,
                                         const TrafficProgress& progress) {
  assert(!problem_of(settings));
  return MachineTraffic(settings).run(progress);
}

std::string to_json(const MachineTrafficSettings& settings, const MachineTrafficResult& result) {
  namespace json = boost::json;
  const json::object given{{"rows", settings.rows},
                           {"columns", settings.columns},
                           {"pattern", name_of(settings.pattern)},
                           {"hot_spot_node", settings.hot_spot.node},
                           {"hot_spot_share", settings.hot_spot.share},
                           {"updates", settings.automatic ? "automatic" : "deliberate"},
                           {"update_bytes", settings.update_bytes},
                           {"offered_mb_per_s", settings.offered_mb_per_s},
                           {"fixed_gaps", settings.fixed_gaps},
                           {"seed", settings.seed},
                           {"updates_per_node", settings.updates_per_node},
                           {"duration_ns", settings.duration_ns}};
  const json::object found{{"simulated_ns", result.simulated_ns},
                           {"updates", result.updates},
                           {"bytes", result.bytes},
                           {"mb_per_s", result.mb_per_s},
                           {"node_mb_per_s", result.node_mb_per_s},
                           {"latency_p50_ns", result.latency_p50_ns},
                           {"latency_p99_ns", result.latency_p99_ns},
                           {"latency_max_ns", result.latency_max_ns},
                           {"packets", result.packets},
                           {"hops", result.hops},
                           {"blocked_ns", result.blocked_ns},
                           {"fifo_interrupts", result.fifo_interrupts},
                           {"most_fifo_bytes", result.most_fifo_bytes},
                           {"events", result.events}};
  return json::serialize(json::object{{"settings", given}, {"result", found}});
}

}  // namespace vmmc::nicsim::sim
