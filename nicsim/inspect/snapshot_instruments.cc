// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the instruments show.

#include <algorithm>
#include <utility>

#include "nicsim/inspect/snapshot_parts.h"
#include "nicsim/status_name.h"

namespace vmmc::nicsim::inspect {
namespace {

namespace json = boost::json;

json::string_view mode_name(Pace::Mode mode) {
  switch (mode) {
    case Pace::Mode::kPaused:
      return "paused";
    case Pace::Mode::kSlow:
      return "slow";
    default:
      return "full";
  }
}

constexpr std::pair<wire::Operation, const char*> kMeasured[] = {
    {wire::Operation::kDeliberateUpdate, "deliberate update"},
    {wire::Operation::kAutomaticUpdate, "automatic update"},
    {wire::Operation::kFetch, "fetch"},
    {wire::Operation::kAtomic, "atomic operation"}};

json::array buckets(const platform::Histogram& histogram, const Storage& storage) {
  json::array result(storage);
  const auto counts = histogram.counts();
  for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
    if (counts[bucket] == 0) continue;
    result.push_back(
        json::array({platform::Histogram::highest_value_in(bucket), counts[bucket]}, storage));
  }
  return result;
}

}  // namespace

json::object trace(const Trace& trace, const Storage& storage) {
  const std::uint64_t written = trace.written();
  const std::uint64_t capacity = trace.capacity();
  return json::object({{"on", trace.on()},
                       {"capacity", capacity},
                       {"written", written},
                       {"overwritten", written - std::min(written, capacity)}},
                      storage);
}

json::object pace(const Pace& pace, const Storage& storage) {
  return json::object({{"mode", mode_name(pace.mode())},
                       {"interval_ns", pace.interval().count()},
                       {"slowdown", pace.slowdown()}},
                      storage);
}

json::object faults(const FaultPlan& plan, const Storage& storage) {
  const FaultPlan::Counters& counters = plan.counters();
  return json::object({{"planned", plan.faults().size()},
                       {"dropped", counters.dropped},
                       {"corrupted", counters.corrupted},
                       {"delayed", counters.delayed}},
                      storage);
}

json::array errors(const ErrorLog& log, const Storage& storage) {
  json::array result(storage);
  for (const auto& [key, entry] : log.entries()) {
    const bool has_peer = key.peer_process != wire::kAnyProcess;
    result.push_back(json::object(
        {{"status", status_name(key.status)},
         {"what", key.what},
         {"node", key.node},
         {"process", key.process},
         {"peer", has_peer ? json::value(json::object(
                                 {{"node", key.peer_node}, {"process", key.peer_process}}, storage))
                           : json::value(nullptr, storage)},
         {"buffer", key.buffer == ErrorLog::kNoBuffer ? json::value(nullptr, storage)
                                                      : json::value(key.buffer, storage)},
         {"count", entry.count},
         {"first_ns", entry.first},
         {"last_ns", entry.last},
         {"sentence", ErrorLog::sentence(key)}},
        storage));
  }
  return result;
}

json::array latencies(const OperationLatencies& latencies, const Storage& storage) {
  json::array result(storage);
  for (const auto& [operation, name] : kMeasured) {
    const platform::Histogram& histogram = latencies.of(operation);
    if (histogram.count() == 0) continue;
    result.push_back(json::object({{"operation", name},
                                   {"count", histogram.count()},
                                   {"sum_ns", histogram.sum()},
                                   {"p50_ns", histogram.percentile(50)},
                                   {"p90_ns", histogram.percentile(90)},
                                   {"p99_ns", histogram.percentile(99)},
                                   {"p99_9_ns", histogram.percentile(99.9)},
                                   {"max_ns", histogram.max()},
                                   {"buckets", buckets(histogram, storage)}},
                                  storage));
  }
  return result;
}

}  // namespace vmmc::nicsim::inspect
