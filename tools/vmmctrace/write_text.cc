// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/fields.h"
#include "tools/vmmctrace/names.h"
#include "tools/vmmctrace/writers.h"

namespace vmmc::trace_tool {

void write_text(const TraceFile& trace, Sink& sink) {
  for (const std::string& loss : losses(trace)) sink.text() += "# " + loss + '\n';
  for (const Record& record : trace.records()) {
    std::string& text = sink.text();
    text += '#' + std::to_string(record.number()) + ' ';
    append_decimal(text, record.time, 6);
    text += " us ";
    if (record.duration != 0) {
      text += "+ ";
      append_decimal(text, record.duration, 6);
      text += " us ";
    }
    text += "node " + std::to_string(record.node) + ' ';
    text.append(engine_name(record.engine)).append(" ").append(event_name(record.event));
    if (const std::string fields = field_text(record); !fields.empty()) text += ' ' + fields;
    text += '\n';
    sink.flush_if_full();
  }
}

}  // namespace vmmc::trace_tool
