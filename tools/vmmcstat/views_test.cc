// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/views.h"

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>

using namespace vmmc::stat;
namespace json = boost::json;

namespace {

json::object counters() {
  json::object result;
  for (const char* name :
       {"transfers_sent", "bytes_sent", "transfers_refused", "transfers_received", "bytes_received",
        "fetches", "atomics", "automatic_updates", "host_transfers", "notifications_received",
        "notifications_discarded", "wakeups"}) {
    result[name] = 12'345;
  }
  return result;
}

json::object snapshot() {
  json::object result = json::parse(R"({
  "nicsim": {"version": "0.1.0", "socket": "@s", "rows": 2, "columns": 3, "clock": "real",
             "model": "none", "time_ns": 5, "uptime_ns": 61000000000},
  "trace": {"on": true, "written": 70000}, "pace": {"mode": "full"},
  "processes": [{"node": 1, "process": 4, "pid": 99, "user": 0, "reads_memory": true,
                 "send_queue": {"depth": 3, "stalled_on": {"node": 0, "process": 2}},
                 "notifications": {"queued": 8}, "segments": [1, 2]}],
  "exports": [{"node": 0, "process": 2, "buffer": 7, "bytes": 8192, "first_incoming_page": 5,
               "pages": 2, "access": "rw", "for_user": null, "for_node": 3, "for_process": null,
               "executor": "nic", "handler": true, "accepts_notifications": false,
               "redirectable": true, "redirections": 2, "closing": true,
               "importers": [{"node": 1, "process": 4, "slot": 0}]}],
  "imports": [{"node": 1, "process": 4, "slot": 0, "state": "peer_dead", "exporter": null,
               "buffer": null, "access": "w", "first_page": 9, "pages": 1}],
  "waiting_imports": [{"node": 1, "process": 4, "exporter": {"node": 0, "process": 2},
                       "buffer": 8}],
  "bindings": [{"node": 1, "process": 4, "binding": 1, "exporter": {"node": 0, "process": 2},
                "buffer": 7, "offset": 0, "bytes": 4096, "capture": "trap", "combining": "timer",
                "timer_ns": 50000, "notifies": false}],
  "real_time_channels": [
    {"receiver": {"node": 0, "process": 2}, "channel": 5, "sender": {"node": 1, "process": 4},
     "state": "connected", "executor": "nic", "depth": 32,
     "budget": {"messages": 10, "period_ns": 1000000, "longest": 64, "deadline_ns": 200000},
     "counts": {"sent": 12000, "received": 11999, "lost": 1, "refused": 2, "over_budget": 3,
                "without_page": 4, "deadline_misses": 6},
     "latency": {"p50_ns": 1500, "p99_ns": 9000, "max_ns": 300000}},
    {"receiver": null, "channel": 6, "sender": null, "state": "offered", "executor": "host",
     "depth": 1,
     "budget": {"messages": 1, "period_ns": 1000, "longest": 1, "deadline_ns": 1},
     "counts": {"sent": 0, "received": 0, "lost": 0, "refused": 0, "over_budget": 0,
                "without_page": 0, "deadline_misses": 0},
     "latency": {"p50_ns": 0, "p99_ns": 0, "max_ns": 0}}],
  "outgoing_pages": [{"node": 1, "process": 4, "first": 9, "count": 2, "slot": 0, "access": "w",
                      "to_node": 0, "first_incoming_page": 5}],
  "incoming_pages": [{"node": 0, "first": 5, "count": 2, "process": 2, "buffer": 7,
                      "interrupts": true}],
  "rings": [{"opener": null, "ring": 3, "source": "backplane", "of_node": 2, "sharing": "exclusive",
             "spread": "flow", "blocks": 64, "block_bytes": 4096, "state": "ended",
             "status": "OUT_OF_MEMORY", "consumers": [
               {"node": 1, "process": 4, "offered": 7, "returned": 5, "delivered": 100, "dropped": 2,
                "source_dropped": 1},
               {"node": 1, "process": 5, "offered": 0, "returned": 0, "delivered": 0, "dropped": 0,
                "source_dropped": 0}]}],
  "errors": [{"status": "OLD", "count": 1, "last_ns": 1, "sentence": "Old."},
             {"status": "NEW", "count": 12, "last_ns": 2, "sentence": "New."}],
  "errors_not_kept": 3,
  "latencies": [{"operation": "fetch", "count": 4, "p50_ns": 1000, "p90_ns": 2000, "p99_ns": 3000,
                 "p99_9_ns": 4000, "max_ns": 5000, "buckets": [[700, 1], [900, 1], [5000, 8]]}]
})")
                            .as_object();
  result["processes"].as_array()[0].as_object()["counters"] = counters();
  return result;
}

std::string picture(View view, const json::object* rates = nullptr) {
  std::string text;
  for (const std::string& line : draw(view, snapshot(), rates)) text += line + "\n";
  return text;
}

void check_shows(const std::string& picture, const std::string& part) {
  CAPTURE(picture);
  CAPTURE(part);
  CHECK(picture.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("the header says what is looked at") {
  const auto lines = draw_header(snapshot());
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "nicsim 0.1.0: 2 x 3 nodes, real time, up 61.0 s, at @s");
  CHECK(lines[1] ==
        "1 processes, 1 exports, 1 imports (1 waiting), 1 bindings, trace on, 70.0k records, pace "
        "full");
  json::object simulated = snapshot();
  simulated["nicsim"].as_object()["clock"] = "simulated";
  simulated["nicsim"].as_object()["model"] = "shrimp-2";
  check_shows(draw_header(simulated)[0], "simulated time by shrimp-2, now 5 ns");
}

TEST_CASE("the overview has rates if they are known, and the errors, the latest first") {
  check_shows(picture(View::kOverview), "(1, 4)       -");
  check_shows(picture(View::kOverview), "(0, 2)");
  json::object rate{{"node", 1}, {"process", 4}};
  for (const auto& [name, value] : counters()) rate[name] = 777.7;
  const json::object rates{{"seconds", 1}, {"processes", json::array{rate}}};
  const std::string with_rates = picture(View::kOverview, &rates);
  check_shows(with_rates, "(1, 4)     778");
  CHECK(with_rates.find("New.") < with_rates.find("Old."));
  json::object others = rates;
  others["processes"].as_array()[0].as_object()["process"] = 5;
  check_shows(picture(View::kOverview, &others), "(1, 4)       -");
}

TEST_CASE("every view shows what it is of") {
  check_shows(picture(View::kProcesses), "12.3k");
  check_shows(picture(View::kProcesses), "yes");
  check_shows(picture(View::kExports), "5-6");
  check_shows(picture(View::kExports),
              "handler (not accepting), redirectable (2 redirections), nic executor only, closing");
  check_shows(picture(View::kExports), "any     3      any");
  check_shows(picture(View::kImports), "peer_dead");
  check_shows(picture(View::kImports), "Waiting for their export:");
  check_shows(picture(View::kBindings), "50.0 us");
  check_shows(picture(View::kChannels), "(0, 2)        5  (1, 4)  connected  nic");
  check_shows(picture(View::kChannels), "10 x 64 in 1.00 ms");
  check_shows(picture(View::kChannels),
              "12.0k     12.0k     1        9     6  1.50 us  9.00 us   300 us");
  check_shows(picture(View::kPages), "9-10");
  check_shows(picture(View::kPages), "Incoming page tables:");
  check_shows(picture(View::kErrors), "3 further refusals were not kept.");
  check_shows(picture(View::kRings),
              "backplane, node 2  exclusive by flow      64         4096    (1, 4)");
  check_shows(picture(View::kRings),
              "(1, 4)        7         5        100        2          1  ended: OUT_OF_MEMORY\n");
  check_shows(picture(View::kRings), "(1, 5)        0 ");
  check_shows(picture(View::kLatencies), "fetch             4  1.00 us  2.00 us");
  // Two of 700 and 900 ns below 1.02 us, eight of 5 us below 8.19 us, none between.
  check_shows(picture(View::kLatencies), "1.02 us           2  ##########\n");
  check_shows(picture(View::kLatencies), "2.05 us           0\n");
  check_shows(picture(View::kLatencies), "8.19 us           8  " + std::string(40, '#') + "\n");
}

TEST_CASE("a picture fits the terminal, and says how much does not") {
  const std::vector<std::string> lines{"1234567890", "2", "3", "4"};
  CHECK(fit(lines, 0, 0) == lines);
  CHECK(fit(lines, 4, 10) == lines);
  CHECK(fit(lines, 3, 4) == std::vector<std::string>{"1234", "2", "... "});
  CHECK(fit(lines, 2, 0) == std::vector<std::string>{"1234567890", "... 3 more lines"});
  CHECK(fit(lines, 1, 0) == std::vector<std::string>{"... 4 more lines"});
}
