// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Receive rings: one line for each consumer.

#include "tools/vmmcstat/table.h"
#include "tools/vmmcstat/view_values.h"
#include "tools/vmmcstat/views.h"

namespace vmmc::stat {
namespace {

namespace json = boost::json;
using Lines = std::vector<std::string>;

std::string source_text(const json::object& ring) {
  const std::string source = text(ring.at("source"));
  return ring.at("of_node").is_null() ? source : source + ", node " + text(ring.at("of_node"));
}

std::string state_text(const json::object& ring) {
  const std::string state = text(ring.at("state"));
  const bool plain = state != "ended" || ring.at("status") == "OK";
  return plain ? state : state + ": " + text(ring.at("status"));
}

}  // namespace

Lines draw_rings(const json::object& snapshot) {
  Table table({"opener", "ring", "<source", "<sharing", "blocks", "block bytes", "consumer",
               "offered", "returned", "delivered", "dropped", "by source", "<state"});
  for (const json::value& each : list(snapshot, "rings")) {
    const json::object& ring = each.as_object();
    const std::string sharing =
        ring.at("sharing") == "mirrored" ? "mirrored" : "exclusive by " + text(ring.at("spread"));
    for (const json::value& one : list(ring, "consumers")) {
      const json::object& consumer = one.as_object();
      table.add({process_text(ring.at("opener")), text(ring.at("ring")), source_text(ring), sharing,
                 text(ring.at("blocks")), text(ring.at("block_bytes")), process_text(consumer),
                 text(consumer.at("offered")), text(consumer.at("returned")),
                 text(consumer.at("delivered")), text(consumer.at("dropped")),
                 text(consumer.at("source_dropped")), state_text(ring)});
    }
  }
  return table.lines();
}

}  // namespace vmmc::stat
