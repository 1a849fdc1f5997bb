// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Exports, imports, bindings and page tables.

#include "tools/vmmcstat/table.h"
#include "tools/vmmcstat/view_values.h"
#include "tools/vmmcstat/views.h"

namespace vmmc::stat {
namespace {

namespace json = boost::json;
using Lines = std::vector<std::string>;

std::string importers_text(const json::object& buffer) {
  std::string result;
  for (const json::value& each : list(buffer, "importers")) {
    if (!result.empty()) result += ' ';
    result += process_text(each.as_object());
  }
  return result.empty() ? "-" : result;
}

std::string flags_text(const json::object& buffer) {
  std::string result;
  const auto add = [&](const std::string& word) { result += (result.empty() ? "" : ", ") + word; };
  if (buffer.at("handler").as_bool()) {
    add(buffer.at("accepts_notifications").as_bool() ? "handler" : "handler (not accepting)");
  }
  if (buffer.at("redirectable").as_bool()) {
    add("redirectable (" + text(buffer.at("redirections")) + " redirections)");
  }
  if (buffer.at("executor") == "nic") add("nic executor only");
  if (buffer.at("closing").as_bool()) add("closing");
  return result.empty() ? "-" : result;
}

std::string range_text(std::uint64_t first, std::uint64_t count) {
  return count == 1 ? std::to_string(first)
                    : std::to_string(first) + "-" + std::to_string(first + count - 1);
}

void append(Lines& lines, const std::string& title, Lines more) {
  if (!lines.empty()) lines.push_back("");
  lines.push_back(title);
  for (std::string& line : more) lines.push_back(std::move(line));
}

}  // namespace

Lines draw_exports(const json::object& snapshot) {
  Table table({"process", "buffer", "bytes", "<access", "for user", "node", "process",
               "incoming pages", "<properties", "<importers"});
  for (const json::value& each : list(snapshot, "exports")) {
    const json::object& buffer = each.as_object();
    table.add({process_text(buffer), text(buffer.at("buffer")), text(buffer.at("bytes")),
               text(buffer.at("access")), text(buffer.at("for_user"), "any"),
               text(buffer.at("for_node"), "any"), text(buffer.at("for_process"), "any"),
               range_text(number(buffer, "first_incoming_page"), number(buffer, "pages")),
               flags_text(buffer), importers_text(buffer)});
  }
  return table.lines();
}

Lines draw_imports(const json::object& snapshot) {
  Table held({"process", "slot", "exporter", "buffer", "<access", "proxy pages", "<state"});
  for (const json::value& each : list(snapshot, "imports")) {
    const json::object& import = each.as_object();
    held.add({process_text(import), text(import.at("slot")), process_text(import.at("exporter")),
              text(import.at("buffer")), text(import.at("access")),
              range_text(number(import, "first_page"), number(import, "pages")),
              text(import.at("state"))});
  }
  Lines lines = held.lines();
  if (list(snapshot, "waiting_imports").empty()) return lines;
  Table waiting({"process", "exporter", "buffer"});
  for (const json::value& each : list(snapshot, "waiting_imports")) {
    const json::object& import = each.as_object();
    waiting.add(
        {process_text(import), process_text(import.at("exporter")), text(import.at("buffer"))});
  }
  append(lines, "Waiting for their export:", waiting.lines());
  return lines;
}

Lines draw_bindings(const json::object& snapshot) {
  Table table({"process", "binding", "exporter", "buffer", "offset", "bytes", "<capture",
               "<combining", "timer", "<notifies"});
  for (const json::value& each : list(snapshot, "bindings")) {
    const json::object& binding = each.as_object();
    const std::uint64_t timer = number(binding, "timer_ns");
    table.add({process_text(binding), text(binding.at("binding")),
               process_text(binding.at("exporter")), text(binding.at("buffer")),
               text(binding.at("offset")), text(binding.at("bytes")), text(binding.at("capture")),
               text(binding.at("combining")), timer == 0 ? "-" : duration(timer),
               text(binding.at("notifies"))});
  }
  return table.lines();
}

Lines draw_pages(const json::object& snapshot) {
  Table outgoing({"process", "pages", "slot", "<access", "to node", "incoming pages"});
  for (const json::value& each : list(snapshot, "outgoing_pages")) {
    const json::object& run = each.as_object();
    outgoing.add({process_text(run), range_text(number(run, "first"), number(run, "count")),
                  text(run.at("slot")), text(run.at("access")), text(run.at("to_node")),
                  range_text(number(run, "first_incoming_page"), number(run, "count"))});
  }
  Table incoming({"node", "pages", "process", "buffer", "<interrupts"});
  for (const json::value& each : list(snapshot, "incoming_pages")) {
    const json::object& run = each.as_object();
    incoming.add({text(run.at("node")), range_text(number(run, "first"), number(run, "count")),
                  text(run.at("process")), text(run.at("buffer")), text(run.at("interrupts"))});
  }
  Lines lines;
  append(lines, "Outgoing page tables:", outgoing.lines());
  append(lines, "Incoming page tables:", incoming.lines());
  return lines;
}

}  // namespace vmmc::stat
