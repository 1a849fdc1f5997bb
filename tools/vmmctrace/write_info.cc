// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <map>

#include "tools/vmmctrace/json_appender.h"
#include "tools/vmmctrace/names.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {

void write_info(const TraceFile& trace, Sink& sink) {
  const Machine& machine = trace.machine();
  std::string& text = sink.text();
  text += "clock    " + (machine.simulated ? "simulated, model " + machine.model : "real") + '\n';
  text +=
      "nodes    " + std::to_string(machine.rows) + " x " + std::to_string(machine.columns) + '\n';
  text += "records  " + std::to_string(trace.records().size()) + " of " +
          std::to_string(trace.total()) + "; the ring holds " + std::to_string(machine.capacity) +
          '\n';
  for (const std::string& loss : losses(trace)) text += "lost     " + loss + '\n';
  std::map<wire::TraceEvent, std::uint64_t> counts;
  std::uint64_t first = ~std::uint64_t{0};
  std::uint64_t last = 0;
  for (const Record& record : trace.records()) {
    ++counts[record.event];
    first = std::min(first, record.time);
    last = std::max(last, record.end());
  }
  if (counts.empty()) return;
  text += "time     from ";
  append_decimal(text, first, 6);
  text += " to ";
  append_decimal(text, last, 6);
  text += " us\n";
  for (const auto& [event, count] : counts) {
    text += "event    " + std::string(event_name(event)) + ' ' + std::to_string(count) + '\n';
  }
}

}  // namespace vmmc::trace_tool
