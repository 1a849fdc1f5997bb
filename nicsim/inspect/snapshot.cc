// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/inspect/snapshot.h"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <map>
#include <tuple>

#include "nicsim/inspect/snapshot_parts.h"

namespace vmmc::nicsim {
namespace inspect {
namespace {

namespace json = boost::json;

Processes in_order(const Machine& machine) {
  Processes result;
  for (const auto& process : machine.processes()) result.push_back(process.get());
  std::sort(result.begin(), result.end(), [](const Process* left, const Process* right) {
    return std::tie(left->node, left->id) < std::tie(right->node, right->id);
  });
  return result;
}

json::object send_queue(const Process& process, const StalledOn& stalled_on,
                        const Storage& storage) {
  const std::uint64_t completed = process.channel.completed();
  // Not below: what stands there was published by whoever may publish nonsense.
  const std::uint64_t published = std::max(process.channel.published(), completed);
  return json::object({{"slots", wire::kSendSlots},
                       {"published", published},
                       {"completed", completed},
                       {"depth", published - completed},
                       {"stalled_on", identity_or_null(stalled_on(process), storage)}},
                      storage);
}

json::object notifications(const Process& process, const Storage& storage) {
  return json::object({{"slots", wire::kNotificationSlots},
                       {"queued", process.notifications.queued()},
                       {"kept", process.notifications.kept()},
                       {"accepted", process.accepts_notifications}},
                      storage);
}

json::array segments(const Process& process, const Storage& storage) {
  std::map<std::uint32_t, const Segment*> by_id;
  for (const auto& [id, segment] : process.segments) by_id[id] = segment.get();
  json::array result(storage);
  for (const auto& [id, segment] : by_id) {
    result.push_back(json::object(
        {{"segment", id}, {"pages", segment->pages()}, {"lendable", segment->lendable()}},
        storage));
  }
  return result;
}

json::object counters(const Process& process, const Storage& storage) {
  const wire::ChannelCounters& c = process.channel.counters();
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  return json::object({{"transfers_sent", read(c.transfers_sent)},
                       {"bytes_sent", read(c.bytes_sent)},
                       {"packets_sent", read(c.packets_sent)},
                       {"transfers_refused", read(c.transfers_refused)},
                       {"transfers_received", read(c.transfers_received)},
                       {"bytes_received", read(c.bytes_received)},
                       {"inline_transfers", read(c.inline_transfers)},
                       {"staged_transfers", read(c.staged_transfers)},
                       {"segment_transfers", read(c.segment_transfers)},
                       {"memory_transfers", read(c.memory_transfers)},
                       {"wakeups", read(c.wakeups)},
                       {"automatic_updates", read(c.automatic_updates)},
                       {"fetches", read(c.fetches)},
                       {"bytes_fetched", read(c.bytes_fetched)},
                       {"atomics", read(c.atomics)},
                       {"notifications_sent", read(c.notifications_sent)},
                       {"notifications_received", read(c.notifications_received)},
                       {"notifications_discarded", read(c.notifications_discarded)},
                       {"notification_stalls", read(c.notification_stalls)},
                       {"bytes_redirected", read(c.bytes_redirected)},
                       {"host_transfers", read(c.host_transfers)}},
                      storage);
}

json::object nicsim(const Observed& observed, const Storage& storage) {
  const auto uptime = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::steady_clock::now() - observed.began);
  const bool simulated = observed.machine.clock() == wire::kSimulatedTime;
  return json::object({{"version", VMMC_VERSION_STRING},
                       {"wire_version", wire::kVersion},
                       {"socket", observed.socket},
                       {"clock", simulated ? "simulated" : "real"},
                       {"model", observed.model},
                       {"rows", observed.rows},
                       {"columns", observed.columns},
                       {"time_ns", observed.clock_ns()},
                       {"uptime_ns", uptime.count()},
                       {"watchers", observed.machine.watchers()},
                       {"observers", observed.observers()}},
                      storage);
}

json::array hardware(const Observed& observed, const Storage& storage) {
  json::array result(storage);
  if (!observed.hardware) return result;
  for (std::uint32_t node = 0; node < observed.machine.backplane().nodes(); ++node) {
    result.push_back(
        json::object({{"node", node}, {"counters", observed.hardware(node)}}, storage));
  }
  return result;
}

}  // namespace

json::object identity(const Process& process, const Storage& storage) {
  return json::object({{"node", process.node}, {"process", process.id}}, storage);
}

json::value identity_or_null(const Process* process, const Storage& storage) {
  if (process == nullptr) return json::value(nullptr, storage);
  return json::value(identity(*process, storage));
}

json::string_view access_name(std::uint32_t access) {
  switch (access) {
    case wire::kAccessRead:
      return "r";
    case wire::kAccessWrite:
      return "w";
    default:
      return "rw";
  }
}

json::array processes(const Processes& processes, const StalledOn& stalled_on,
                      const Storage& storage) {
  json::array result(storage);
  for (const Process* process : processes) {
    json::object entry = identity(*process, storage);
    entry["pid"] = process->pid;
    entry["user"] = process->uid;
    entry["reads_memory"] = process->can_read_memory;
    entry["send_queue"] = send_queue(*process, stalled_on, storage);
    entry["notifications"] = notifications(*process, storage);
    entry["segments"] = segments(*process, storage);
    entry["counters"] = counters(*process, storage);
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace inspect

boost::json::object take_snapshot(const Observed& observed) {
  Machine& machine = observed.machine;
  for (const auto& process : machine.processes()) (void)machine.read_counters(*process);
  // Freed as one piece, with the document.
  const auto storage = boost::json::make_shared_resource<boost::json::monotonic_resource>();
  const inspect::Processes processes = inspect::in_order(machine);
  const Instruments& instruments = observed.instruments;
  const bool host_is_open = machine.watchers() == 0;
  boost::json::object result(storage);
  result["format"] = "vmmc-snapshot";
  result["version"] = 1;
  result["nicsim"] = inspect::nicsim(observed, storage);
  result["trace"] = inspect::trace(instruments.trace, storage);
  result["pace"] = inspect::pace(instruments.pace, storage);
  result["faults"] = inspect::faults(instruments.faults, storage);
  result["processes"] = inspect::processes(processes, observed.stalled_on, storage);
  result["exports"] = inspect::exports(processes, storage);
  result["imports"] = inspect::imports(processes, host_is_open, storage);
  result["waiting_imports"] = inspect::waiting_imports(machine.waiting_imports(), storage);
  result["bindings"] = inspect::bindings(processes, storage);
  result["outgoing_pages"] = inspect::outgoing_pages(processes, storage);
  result["incoming_pages"] = inspect::incoming_pages(machine.backplane(), processes, storage);
  result["rings"] = inspect::rings(observed.rings, storage);
  result["real_time_channels"] = inspect::real_time_channels(machine.real_time(), storage);
  result["hardware"] = inspect::hardware(observed, storage);
  result["errors"] = inspect::errors(instruments.errors, storage);
  result["errors_not_kept"] = instruments.errors.not_kept();
  result["latencies"] = inspect::latencies(instruments.latencies, storage);
  return result;
}

}  // namespace vmmc::nicsim
