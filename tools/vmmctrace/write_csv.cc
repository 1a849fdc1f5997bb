// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <utility>

#include "tools/vmmctrace/fields.h"
#include "tools/vmmctrace/names.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {
namespace {

constexpr char kHeaderLine[] =
    "sequence,time,duration,operation,packet,event,engine,kind,flags,status,node,peer,process,"
    "peer_process,buffer,page,length,offset,value,content_bytes,content\r\n";

std::string process(std::uint32_t id) {
  return id == kUnknownProcess ? std::string() : std::to_string(id);
}

void append_line(std::string& text, const Record& record) {
  bool first = true;
  const auto word = [&](std::string_view value) {
    if (!std::exchange(first, false)) text.push_back(',');
    text.append(value);
  };
  const auto number = [&](std::uint64_t value) { word(std::to_string(value)); };
  number(record.sequence);
  number(record.time);
  number(record.duration);
  number(record.operation);
  number(record.packet);
  word(event_name(record.event));
  word(engine_name(record.engine));
  word(kind_name(record.kind));
  number(record.flags);
  word(status_name(record.status));
  number(record.node);
  number(record.peer);
  word(process(record.process));
  word(process(record.peer_process));
  number(record.buffer);
  number(record.page);
  number(record.length);
  number(record.offset);
  number(record.value);
  number(record.content_bytes);
  word(hex(record.meant_content()));
  text += "\r\n";
}

}  // namespace

void write_csv(const TraceFile& trace, Sink& sink) {
  sink.text() += kHeaderLine;
  for (const Record& record : trace.records()) {
    append_line(sink.text(), record);
    sink.flush_if_full();
  }
}

}  // namespace vmmc::trace_tool
