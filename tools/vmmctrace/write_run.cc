// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <span>

#include "tools/vmmctrace/fields.h"
#include "tools/vmmctrace/names.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {
namespace {

constexpr std::size_t kMostTogether = 500;               // records in one message
constexpr std::uint64_t kLongestTogether = 50000000000;  // ps: 50 ms

void append_hello(JsonAppender& json, const Machine& machine) {
  json.line();
  json.begin_object().key("at_ms").number(0).key("message").begin_object();
  json.key("type").string("hello").key("protocol").number(1);
  json.key("scenes").begin_array().end_array().key("models").begin_array().end_array();
  json.key("clock").string(machine.simulated ? std::string_view(machine.model) : "real");
  json.key("rows").number(machine.rows).key("columns").number(machine.columns);
  json.key("scene").null().end_object().end_object();
}

void append_record(JsonAppender& json, const Record& record) {
  json.line();
  json.begin_object().key("n").number(record.number());
  json.key("time").decimal(record.time, 3).key("duration").decimal(record.duration, 3);
  json.key("event").string(event_name(record.event));
  json.key("engine").string(engine_name(record.engine));
  json.key("node").number(record.node);
  append_members(json, record);
  json.end_object();
}

// A message comes when the last of its records has happened.
void append_message(JsonAppender& json, const TraceFile& trace, Sink& sink,
                    std::span<const std::uint32_t> indexes, std::uint64_t lost) {
  json.line();
  json.begin_object().key("at_ms").decimal(trace.records()[indexes.back()].time, 9);
  json.key("message").begin_object().key("type").string("records");
  json.key("total").number(indexes.size()).key("shown").number(indexes.size());
  json.key("lost").number(lost).key("records").begin_array();
  for (const std::uint32_t index : indexes) {
    append_record(json, trace.records()[index]);
    sink.flush_if_full();
  }
  json.end_array().end_object().end_object();
}

}  // namespace

void write_run(const TraceFile& trace, Sink& sink) {
  JsonAppender json(sink.text());
  json.begin_object().key("format").string("vmmc-run").key("version").number(1);
  json.key("messages").begin_array();
  append_hello(json, trace.machine());
  const auto order = trace.by_time();
  const auto time = [&](std::size_t at) { return trace.records()[order[at]].time; };
  std::uint64_t lost = trace.total() - trace.records().size();
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    while (end < order.size() && end - first < kMostTogether &&
           time(end) - time(first) < kLongestTogether) {
      ++end;
    }
    append_message(json, trace, sink, std::span(order).subspan(first, end - first), lost);
    lost = 0;
    first = end;
  }
  json.end_array().end_object();
  sink.text() += '\n';
}

}  // namespace vmmc::trace_tool
