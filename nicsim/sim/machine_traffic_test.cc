// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/machine_traffic.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "nicsim/parts/testing/tables.h"

using namespace vmmc::nicsim;
using namespace vmmc::nicsim::sim;

namespace {

MachineTrafficSettings settings_of(std::uint32_t rows, std::uint32_t columns) {
  MachineTrafficSettings settings;
  settings.model = parts::testing::test_model();
  settings.model.backplane.mesh = 1;
  settings.model.backplane.buffer_bytes = 64;
  settings.model.packetizer.max_payload_bytes = 256;
  settings.rows = rows;
  settings.columns = columns;
  settings.updates_per_node = 200;
  return settings;
}

}  // namespace

TEST_CASE("every update arrives, and at a low load as many as are made") {
  for (const bool automatic : {false, true}) {
    MachineTrafficSettings settings = settings_of(4, 4);
    settings.automatic = automatic;
    settings.offered_mb_per_s = 0.5;
    const MachineTrafficResult result = run_machine_traffic(settings);
    CHECK(result.updates == 16 * 200);
    CHECK(result.bytes == 16 * 200 * 64);
    CHECK(result.node_mb_per_s == doctest::Approx(0.5).epsilon(0.15));
    CHECK(result.packets >= result.updates / 2);
    CHECK(result.hops >= result.packets);
  }
}

TEST_CASE("latency rises with the load, and throughput no more than the slowest part allows") {
  MachineTrafficSettings settings = settings_of(4, 4);
  settings.update_bytes = 1024;
  settings.offered_mb_per_s = 1;
  const MachineTrafficResult idle = run_machine_traffic(settings);
  settings.offered_mb_per_s = 1000;
  const MachineTrafficResult full = run_machine_traffic(settings);
  CHECK(full.latency_p50_ns > 2 * idle.latency_p50_ns);
  CHECK(full.node_mb_per_s > 10 * idle.node_mb_per_s);
  CHECK(full.node_mb_per_s < settings.model.deliberate_update_engine.dma_mb_per_s);
}

TEST_CASE("stores to one node fill the outgoing FIFOs to their threshold and no further") {
  MachineTrafficSettings settings = settings_of(1, 8);
  settings.automatic = true;
  settings.update_bytes = 256;
  settings.pattern = TrafficPattern::kHotSpot;
  settings.hot_spot = {0, 1};
  settings.offered_mb_per_s = 100;
  settings.updates_per_node = 2000;
  const MachineTrafficResult result = run_machine_traffic(settings);
  CHECK(result.updates == 8 * 2000);
  CHECK(result.fifo_interrupts > 0);
  CHECK(result.most_fifo_bytes <= settings.model.outgoing_fifo.capacity_bytes);
}

TEST_CASE("the same settings give the same result; another seed another one") {
  MachineTrafficSettings settings = settings_of(3, 5);
  settings.offered_mb_per_s = 8;
  const MachineTrafficResult first = run_machine_traffic(settings);
  CHECK(run_machine_traffic(settings) == first);
  settings.seed = 2;
  CHECK(run_machine_traffic(settings) != first);
}

TEST_CASE("a run that ends by its time") {
  MachineTrafficSettings settings = settings_of(2, 2);
  settings.updates_per_node = 0;
  settings.duration_ns = 1e6;
  double last = 0;
  const MachineTrafficResult result = run_machine_traffic(settings, [&](double share) {
    CHECK(share >= last);
    last = share;
  });
  CHECK(result.simulated_ns == 1e6);
  CHECK(last == 1);
}

TEST_CASE("4096 nodes") {
  MachineTrafficSettings settings = settings_of(64, 64);
  settings.updates_per_node = 2;
  CHECK(run_machine_traffic(settings).updates == 2 * 4096);
}

TEST_CASE("settings that cannot be run") {
  const auto problem = [](auto change) {
    MachineTrafficSettings settings = settings_of(4, 4);
    change(settings);
    return problem_of(settings).value_or("");
  };
  using S = MachineTrafficSettings;
  CHECK(problem([](S&) {}).empty());
  CHECK(problem([](S& s) { s.rows = 0; }) == "there are 1 to 4096 nodes");
  CHECK(problem([](S& s) { s.columns = 1025; }) == "there are 1 to 4096 nodes");
  CHECK(problem([](S& s) { s.update_bytes = 6; }) ==
        "an update has 4 to 4096 bytes, in words of 4");
  CHECK(problem([](S& s) { s.offered_mb_per_s = 0; }) ==
        "the offered bandwidth is not 0.001 to 1000000 MB/s");
  CHECK(problem([](S& s) { s.updates_per_node = 0; }) ==
        "the run has no end: neither a duration nor a number of updates");
  CHECK(problem([](S& s) {
          s.offered_mb_per_s = 0.001;
          s.updates_per_node = 2'000'000;
        }) == "at this load it takes a node longer than a day to make so many updates");
  CHECK(problem([](S& s) { s.duration_ns = -1; }) ==
        "the duration is longer than a day, or negative");
  CHECK(problem([](S& s) {
          s.pattern = TrafficPattern::kTranspose;
          s.rows = 2;
        }) == "transpose needs as many rows as columns");
}

TEST_CASE("JSON") {
  MachineTrafficSettings settings = settings_of(2, 2);
  settings.updates_per_node = 5;
  const auto parsed =
      boost::json::parse(to_json(settings, run_machine_traffic(settings))).as_object();
  CHECK(parsed.at("result").at("updates").as_int64() == 20);
  CHECK(parsed.at("settings").at("updates") == "deliberate");
}
