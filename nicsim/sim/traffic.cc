// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/sim/traffic.h"

#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <cassert>
#include <cmath>
#include <memory>
#include <vector>

#include "nicsim/parts/crossbar.h"
#include "nicsim/parts/mesh.h"
#include "nicsim/sim/traffic_end.h"
#include "nicsim/sim/traffic_latencies.h"
#include "nicsim/sim/traffic_source.h"

namespace vmmc::nicsim::sim {
namespace {

using parts::Parcel;
using parts::Time;

constexpr std::uint32_t kMostInOneDirection = 1024;  // rows or columns
constexpr double kLongestGapNs = 1e9;

double gap_ns(const TrafficSettings& settings) {
  return settings.parcel_bytes * 1e3 / settings.backplane.link_mb_per_s / settings.offered_load;
}

class Traffic final : public parts::BackplaneClient {
 public:
  explicit Traffic(const TrafficSettings& settings);

  TrafficResult run(const TrafficProgress& progress);

  void injected(std::uint32_t node) override;
  bool reserve(std::uint32_t destination, std::uint32_t bytes) override;
  void arrived(const Parcel& parcel) override;

 private:
  struct Node {
    TrafficSource source;
    std::uint64_t taken = 0;  // bytes of the FIFO
    Time emptied_at = 0;      // the FIFO, as it is now
  };

  void make_next(std::uint32_t node);
  void inject(std::uint64_t node);
  void free_room(std::uint64_t node);
  TrafficResult result() const;

  const TrafficSettings settings_;
  const std::uint32_t count_;
  const TrafficTimes times_;
  const TrafficDestinations destinations_;
  parts::EventQueue queue_;
  std::vector<Node> nodes_;
  std::unique_ptr<parts::Mesh> mesh_;
  std::unique_ptr<parts::Crossbar> crossbar_;
  parts::BackplanePort* backplane_;  // one of them
  TrafficLatencies latencies_;       // picoseconds
  Time last_arrival_ = 0;
};

Traffic::Traffic(const TrafficSettings& settings)
    : settings_(settings),
      count_(settings.rows * settings.columns),
      times_{gap_ns(settings) * 1000, settings.fixed_gaps, settings.parcels_per_node,
             end_of(settings.duration_ns)},
      destinations_(settings.pattern, settings.rows, settings.columns, settings.hot_spot) {
  TrafficRandom seeds(settings.seed);
  nodes_.reserve(count_);
  for (std::uint32_t node = 0; node < count_; ++node)
    nodes_.push_back({TrafficSource(seeds.next())});
  if (settings.backplane.mesh != 0) {
    mesh_ = std::make_unique<parts::Mesh>(queue_, settings.backplane, settings.rows,
                                          settings.columns, *this);
    backplane_ = mesh_.get();
  } else {
    crossbar_ = std::make_unique<parts::Crossbar>(queue_, settings.backplane, count_, *this);
    backplane_ = crossbar_.get();
  }
}

// The next parcel of this node; it may have been made while the one before it was waiting.
void Traffic::make_next(std::uint32_t index) {
  const auto made_at = nodes_[index].source.next(times_);
  if (!made_at) return;
  if (*made_at <= queue_.now()) return inject(index);
  queue_.at<&Traffic::inject>(*made_at, *this, index);
}

void Traffic::inject(std::uint64_t index) {
  TrafficSource& source = nodes_[index].source;
  const auto node = static_cast<std::uint32_t>(index);
  const std::uint32_t destination = destinations_.next(node, source.number(), source.random());
  backplane_->inject({node, destination, settings_.parcel_bytes, source.made_at()});
}

void Traffic::injected(std::uint32_t node) { make_next(node); }

bool Traffic::reserve(std::uint32_t destination, std::uint32_t bytes) {
  Node& node = nodes_[destination];
  if (node.taken + bytes > settings_.receive_fifo_bytes) return false;
  node.taken += bytes;
  return true;
}

void Traffic::arrived(const Parcel& parcel) {
  last_arrival_ = queue_.now();
  latencies_.record(queue_.now() - parcel.content);
  Node& node = nodes_[parcel.destination];
  if (settings_.receive_mb_per_s == 0) return free_room(parcel.destination);
  node.emptied_at = parts::sum(std::max(node.emptied_at, queue_.now()),
                               parts::time_of_bytes(parcel.bytes, settings_.receive_mb_per_s));
  queue_.at<&Traffic::free_room>(node.emptied_at, *this, parcel.destination);
}

void Traffic::free_room(std::uint64_t node) {
  nodes_[node].taken -= settings_.parcel_bytes;
  backplane_->room_freed(static_cast<std::uint32_t>(node));
}

TrafficResult Traffic::run(const TrafficProgress& progress) {
  for (std::uint32_t node = 0; node < count_; ++node) make_next(node);
  run_events(queue_, times_, count_, progress, [&] { return backplane_->counters().parcels; });
  return result();
}

TrafficResult Traffic::result() const {
  const parts::BackplanePort::Counters& counters = backplane_->counters();
  TrafficResult result;
  result.parcels = counters.parcels;
  fill_common(result, {counters.parcels, settings_.parcel_bytes, last_arrival_, latencies_}, times_,
              count_, counters, queue_);
  result.backplane_bytes = mesh_ ? mesh_->bytes() : crossbar_->bytes();
  return result;
}

}  // namespace

std::optional<std::string> problem_of(const TrafficSettings& settings) {
  for (const std::uint32_t count : {settings.rows, settings.columns}) {
    if (count == 0 || count > kMostInOneDirection)
      return "there are 1 to " + std::to_string(kMostInOneDirection) + " rows and columns";
  }
  if (!in_range(settings.backplane.link_mb_per_s, 1e-3, 1e9))
    return "the model's links need a bandwidth (backplane.link_mb_per_s)";
  if (!in_range(settings.offered_load, 1e-6, 1e3)) return "the offered load is not 1e-6 to 1000";
  if (settings.parcel_bytes == 0 || settings.parcel_bytes > 1 << 20)
    return "a parcel has 1 to 1048576 bytes";
  if (settings.parcel_bytes > settings.receive_fifo_bytes)
    return "a parcel does not fit into the receive FIFO";
  if (!in_range(gap_ns(settings), 1e-3, kLongestGapNs))
    return "at this load there is less than one parcel in a second, or more than one in a "
           "picosecond";
  if (!in_range(settings.receive_mb_per_s, 1e-3, 1e9) && settings.receive_mb_per_s != 0)
    return "the receive bandwidth is neither 0 (no limit) nor 0.001 to 1e9 MB/s";
  if (auto problem = problem_of_end("parcels", settings.parcels_per_node, gap_ns(settings),
                                    settings.duration_ns))
    return problem;
  return problem_of(settings.pattern, settings.rows, settings.columns, settings.hot_spot);
}

TrafficResult run_traffic(const TrafficSettings& settings, const TrafficProgress& progress) {
  assert(!problem_of(settings));
  return Traffic(settings).run(progress);
}

std::string to_json(const TrafficSettings& settings, const TrafficResult& result) {
  namespace json = boost::json;
  const json::object given{{"backplane", settings.backplane.mesh != 0 ? "mesh" : "crossbar"},
                           {"link_mb_per_s", settings.backplane.link_mb_per_s},
                           {"hop_ns", settings.backplane.hop_ns},
                           {"buffer_bytes", settings.backplane.buffer_bytes},
                           {"rows", settings.rows},
                           {"columns", settings.columns},
                           {"pattern", name_of(settings.pattern)},
                           {"hot_spot_node", settings.hot_spot.node},
                           {"hot_spot_share", settings.hot_spot.share},
                           {"parcel_bytes", settings.parcel_bytes},
                           {"offered_load", settings.offered_load},
                           {"fixed_gaps", settings.fixed_gaps},
                           {"receive_mb_per_s", settings.receive_mb_per_s},
                           {"receive_fifo_bytes", settings.receive_fifo_bytes},
                           {"seed", settings.seed},
                           {"parcels_per_node", settings.parcels_per_node},
                           {"duration_ns", settings.duration_ns}};
  const json::object found{{"simulated_ns", result.simulated_ns},
                           {"parcels", result.parcels},
                           {"bytes", result.bytes},
                           {"mb_per_s", result.mb_per_s},
                           {"node_mb_per_s", result.node_mb_per_s},
                           {"latency_p50_ns", result.latency_p50_ns},
                           {"latency_p99_ns", result.latency_p99_ns},
                           {"latency_max_ns", result.latency_max_ns},
                           {"hops", result.hops},
                           {"blocked_ns", result.blocked_ns},
                           {"events", result.events},
                           {"backplane_bytes", result.backplane_bytes}};
  return json::serialize(json::object{{"settings", given}, {"result", found}});
}

}  // namespace vmmc::nicsim::sim
