// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/views.h"

#include <algorithm>

#include "tools/vmmcstat/table.h"
#include "tools/vmmcstat/view_values.h"

namespace vmmc::stat {

// view_memory.cc, view_channels.cc, view_latencies.cc, view_rings.cc
std::vector<std::string> draw_exports(const boost::json::object& snapshot);
std::vector<std::string> draw_imports(const boost::json::object& snapshot);
std::vector<std::string> draw_bindings(const boost::json::object& snapshot);
std::vector<std::string> draw_channels(const boost::json::object& snapshot);
std::vector<std::string> draw_pages(const boost::json::object& snapshot);
std::vector<std::string> draw_rings(const boost::json::object& snapshot);
std::vector<std::string> draw_latencies(const boost::json::object& snapshot);

namespace {

namespace json = boost::json;
using Lines = std::vector<std::string>;

const json::object* rates_of_process(const json::object* rates, const json::object& process) {
  if (rates == nullptr) return nullptr;
  for (const json::value& each : list(*rates, "processes")) {
    const json::object& candidate = each.as_object();
    if (candidate.at("node") == process.at("node") &&
        candidate.at("process") == process.at("process")) {
      return &candidate;
    }
  }
  return nullptr;
}

std::string rate_text(const json::object* rates, const char* counter) {
  return rates == nullptr ? "-" : short_number(rates->at(counter).to_number<double>());
}

std::string count_text(const json::object& counters, const char* counter) {
  return short_number(counters.at(counter).to_number<double>());
}

Lines overview_of_processes(const json::object& snapshot, const json::object* rates) {
  // As wide as a terminal of 80 columns; the view of the processes has the rest.
  Table table({"process", "sent/s", "bytes/s", "refused/s", "sent", "bytes", "refused", "queue",
               "notes", "<stalled on"});
  for (const json::value& each : list(snapshot, "processes")) {
    const json::object& process = each.as_object();
    const json::object& counters = process.at("counters").as_object();
    const json::object& queue = process.at("send_queue").as_object();
    const json::object* const own = rates_of_process(rates, process);
    table.add({process_text(process), rate_text(own, "transfers_sent"),
               rate_text(own, "bytes_sent"), rate_text(own, "transfers_refused"),
               count_text(counters, "transfers_sent"), count_text(counters, "bytes_sent"),
               count_text(counters, "transfers_refused"), text(queue.at("depth")),
               text(process.at("notifications").as_object().at("queued")),
               process_text(queue.at("stalled_on"))});
  }
  return table.lines();
}

Lines draw_processes(const json::object& snapshot) {
  Table table({"process", "pid", "user", "sent", "bytes", "received", "bytes", "fetches", "atomics",
               "automatic", "by host", "notified", "discarded", "refused", "wakeups", "queue",
               "notes", "segments", "<reads memory"});
  for (const json::value& each : list(snapshot, "processes")) {
    const json::object& process = each.as_object();
    const json::object& counters = process.at("counters").as_object();
    const auto count = [&](const char* name) { return count_text(counters, name); };
    table.add({process_text(process), text(process.at("pid")), text(process.at("user")),
               count("transfers_sent"), count("bytes_sent"), count("transfers_received"),
               count("bytes_received"), count("fetches"), count("atomics"),
               count("automatic_updates"), count("host_transfers"), count("notifications_received"),
               count("notifications_discarded"), count("transfers_refused"), count("wakeups"),
               text(process.at("send_queue").as_object().at("depth")),
               text(process.at("notifications").as_object().at("queued")),
               std::to_string(list(process, "segments").size()), text(process.at("reads_memory"))});
  }
  return table.lines();
}

Lines draw_errors(const json::object& snapshot) {
  std::vector<const json::object*> errors;
  for (const json::value& each : list(snapshot, "errors")) errors.push_back(&each.as_object());
  if (errors.empty()) return {"No errors."};
  // The latest first.
  std::stable_sort(errors.begin(), errors.end(), [](const auto* left, const auto* right) {
    return number(*left, "last_ns") > number(*right, "last_ns");
  });
  Table table({"times", "<status", "<error"});
  for (const json::object* error : errors) {
    table.add({text(error->at("count")), text(error->at("status")), text(error->at("sentence"))});
  }
  Lines lines = table.lines();
  if (number(snapshot, "errors_not_kept") > 0) {
    lines.push_back(text(snapshot.at("errors_not_kept")) + " further refusals were not kept.");
  }
  return lines;
}

void append(Lines& lines, Lines more) {
  lines.push_back("");
  for (std::string& line : more) lines.push_back(std::move(line));
}

Lines draw_overview(const json::object& snapshot, const json::object* rates) {
  Lines lines = overview_of_processes(snapshot, rates);
  constexpr std::size_t kErrors = 6;
  if (!list(snapshot, "errors").empty()) append(lines, fit(draw_errors(snapshot), kErrors, 0));
  return lines;
}

std::string trace_text(const json::object& trace) {
  if (!trace.at("on").as_bool()) return "off";
  return "on, " + short_number(trace.at("written").to_number<double>()) + " records";
}

}  // namespace

Lines draw_header(const json::object& snapshot) {
  const json::object& nicsim = snapshot.at("nicsim").as_object();
  const auto count = [&](const char* member) {
    return std::to_string(list(snapshot, member).size()) + " " + member;
  };
  const std::string clock = nicsim.at("clock") == "real"
                                ? "real time"
                                : "simulated time by " + text(nicsim.at("model")) + ", now " +
                                      duration(number(nicsim, "time_ns"));
  // The socket's name comes last: it may be long, and is what a narrow terminal can do without.
  return {"nicsim " + text(nicsim.at("version")) + ": " + text(nicsim.at("rows")) + " x " +
              text(nicsim.at("columns")) + " nodes, " + clock + ", up " +
              duration(number(nicsim, "uptime_ns")) + ", at " + text(nicsim.at("socket")),
          count("processes") + ", " + count("exports") + ", " + count("imports") + " (" +
              std::to_string(list(snapshot, "waiting_imports").size()) + " waiting), " +
              count("bindings") + ", trace " + trace_text(snapshot.at("trace").as_object()) +
              ", pace " + text(snapshot.at("pace").as_object().at("mode"))};
}

Lines draw(View view, const json::object& snapshot, const json::object* rates) {
  switch (view) {
    case View::kProcesses:
      return draw_processes(snapshot);
    case View::kExports:
      return draw_exports(snapshot);
    case View::kImports:
      return draw_imports(snapshot);
    case View::kBindings:
      return draw_bindings(snapshot);
    case View::kChannels:
      return draw_channels(snapshot);
    case View::kPages:
      return draw_pages(snapshot);
    case View::kErrors:
      return draw_errors(snapshot);
    case View::kRings:
      return draw_rings(snapshot);
    case View::kLatencies:
      return draw_latencies(snapshot);
    default:
      return draw_overview(snapshot, rates);
  }
}

Lines fit(Lines lines, std::size_t rows, std::size_t columns) {
  if (rows > 0 && lines.size() > rows) {
    const std::size_t left_out = lines.size() - rows + 1;
    lines.resize(rows);
    lines.back() = "... " + std::to_string(left_out) + " more lines";
  }
  for (std::string& line : lines) {
    if (columns > 0 && line.size() > columns) line.resize(columns);
  }
  return lines;
}

}  // namespace vmmc::stat
