// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "nicsim/sim/traffic.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <limits>
#include <vector>

namespace vmmc::nicsim::sim {
namespace {

TrafficSettings small(double load) {
  TrafficSettings settings;
  settings.backplane = {.mesh = 1, .link_mb_per_s = 200, .hop_ns = 40, .buffer_bytes = 128};
  settings.rows = 8;
  settings.columns = 8;
  settings.offered_load = load;
  settings.duration_ns = 500e3;
  return settings;
}

TEST_CASE("the same settings give the same result, another seed another one") {
  for (const double mesh : {1.0, 0.0}) {
    TrafficSettings settings = small(0.3);
    settings.backplane.mesh = mesh;
    settings.receive_mb_per_s = 70;
    const TrafficResult first = run_traffic(settings);
    const TrafficResult second = run_traffic(settings);
    CHECK(first == second);
    CHECK(to_json(settings, first) == to_json(settings, second));
    settings.seed = 2;
    CHECK_FALSE(run_traffic(settings) == first);
  }
}

TEST_CASE("at low load everything that is offered arrives") {
  for (const bool fixed_gaps : {false, true}) {
    for (const auto pattern : {TrafficPattern::kUniform, TrafficPattern::kTranspose,
                               TrafficPattern::kBitReversal, TrafficPattern::kComplement,
                               TrafficPattern::kNearestNeighbour, TrafficPattern::kAllToAll}) {
      TrafficSettings settings = small(0.05);
      settings.pattern = pattern;
      settings.fixed_gaps = fixed_gaps;
      CAPTURE(name_of(pattern));
      CHECK(run_traffic(settings).node_mb_per_s == doctest::Approx(0.05 * 200).epsilon(0.03));
    }
  }
}

TEST_CASE("more load: more latency, and no more throughput than links can carry") {
  double latency = 0;
  for (const double load : {0.05, 0.2, 0.4, 0.8}) {
    const TrafficResult result = run_traffic(small(load));
    CHECK(result.latency_p50_ns > latency);
    CHECK(result.latency_p99_ns >= result.latency_p50_ns);
    CHECK(result.latency_max_ns >= result.latency_p99_ns);
    latency = result.latency_p50_ns;
  }
  const TrafficResult full = run_traffic(small(1));
  const TrafficResult more_than_full = run_traffic(small(2));
  CHECK(full.node_mb_per_s < 0.9 * 200);
  CHECK(full.node_mb_per_s > 0.2 * 200);
  CHECK(more_than_full.node_mb_per_s == doctest::Approx(full.node_mb_per_s).epsilon(0.05));
}

TEST_CASE("complement: the links in the middle carry what the halves send each other") {
  TrafficSettings settings = small(1);
  settings.pattern = TrafficPattern::kComplement;
  // Of each row's 8 nodes, 4 share the one link to the other half.
  CHECK(run_traffic(settings).node_mb_per_s <= 200 / 4.0);
}

TEST_CASE("the crossbar carries more than the mesh") {
  TrafficSettings settings = small(0.9);
  const TrafficResult mesh = run_traffic(settings);
  settings.backplane.mesh = 0;
  const TrafficResult crossbar = run_traffic(settings);
  CHECK(crossbar.node_mb_per_s > mesh.node_mb_per_s);
  CHECK(crossbar.hops >= crossbar.parcels);
  settings.pattern = TrafficPattern::kComplement;  // nobody meets anybody
  settings.fixed_gaps = true;
  const TrafficResult alone = run_traffic(settings);
  CHECK(alone.blocked_ns == 0);
  CHECK(alone.latency_max_ns == 40 + 64 * 5);
}

TEST_CASE("slow receivers are the limit; a hot spot is for all who meet its parcels") {
  TrafficSettings settings = small(0.3);
  settings.receive_mb_per_s = 20;
  CHECK(run_traffic(settings).node_mb_per_s <= 20 * 1.02 + 4096 / 500.0);
  settings = small(0.2);
  const double without = run_traffic(settings).mb_per_s;
  settings.pattern = TrafficPattern::kHotSpot;
  settings.hot_spot = {.node = 27, .share = 0.3};
  CHECK(run_traffic(settings).mb_per_s < without / 2);
}

TEST_CASE("so many parcels of each node, and the time until the last one arrived") {
  TrafficSettings settings = small(0.3);
  settings.duration_ns = 0;
  settings.parcels_per_node = 100;
  const TrafficResult result = run_traffic(settings);
  CHECK(result.parcels == 6400);
  CHECK(result.bytes == 6400 * 64);
  CHECK(result.simulated_ns > 100 * 64 * 5);
  settings.duration_ns = result.simulated_ns / 2;
  const TrafficResult half = run_traffic(settings);
  CHECK(half.parcels < 6400);
  CHECK(half.simulated_ns == doctest::Approx(settings.duration_ns));
}

TEST_CASE("progress goes up to 1") {
  for (const bool by_parcels : {false, true}) {
    TrafficSettings settings = small(0.3);
    if (by_parcels) {
      settings.duration_ns = 0;
      settings.parcels_per_node = 500;
    }
    std::vector<double> shares;
    const TrafficResult result =
        run_traffic(settings, [&](double share) { shares.push_back(share); });
    CHECK(shares.size() == result.events / 100'000 + 1);
    CHECK(shares.size() > 3);
    for (std::size_t i = 1; i < shares.size(); ++i) CHECK(shares[i] >= shares[i - 1]);
    CHECK(shares.front() < 0.9);
    CHECK(shares.back() == 1);
  }
}

TEST_CASE("memory is linear in the number of nodes, up to 64 x 64") {
  TrafficSettings settings = small(1);
  settings.duration_ns = 20e3;
  const double of_64 = static_cast<double>(run_traffic(settings).backplane_bytes);
  settings.rows = settings.columns = 64;
  const TrafficResult big = run_traffic(settings);
  CHECK(big.parcels > 10000);
  // Twice as many: vectors of parcels under way grow by doubling.
  CHECK(static_cast<double>(big.backplane_bytes) <= 2 * 64 * of_64);
}

TEST_CASE("a problem is told in one line") {
  CHECK_FALSE(problem_of(small(0.3)));
  const auto problem = [](auto change) {
    TrafficSettings settings = small(0.3);
    change(settings);
    const auto text = problem_of(settings);
    return text && text->find('\n') == std::string::npos;
  };
  CHECK(problem([](auto& it) { it.rows = 0; }));
  CHECK(problem([](auto& it) { it.columns = 5000; }));
  CHECK(problem([](auto& it) { it.backplane.link_mb_per_s = 0; }));
  CHECK(problem([](auto& it) { it.offered_load = 0; }));
  CHECK(problem([](auto& it) { it.offered_load = std::numeric_limits<double>::quiet_NaN(); }));
  CHECK(problem([](auto& it) { it.parcel_bytes = 0; }));
  CHECK(problem([](auto& it) { it.parcel_bytes = 5000; }));
  CHECK(problem([](auto& it) { it.receive_mb_per_s = -1; }));
  CHECK(problem([](auto& it) { it.duration_ns = 0; }));
  CHECK(problem([](auto& it) { it.duration_ns = 1e18; }));
  CHECK(problem([](auto& it) { it.parcels_per_node = 1ull << 40; }));
  // 10 ms between two: a day has 8.64 million of them.
  const auto slow = [](std::uint64_t parcels, double duration_ns) {
    return [=](auto& it) {
      it.backplane.link_mb_per_s = 0.0064;
      it.offered_load = 1;
      it.parcels_per_node = parcels;
      it.duration_ns = duration_ns;
    };
  };
  CHECK_FALSE(problem(slow(8'600'000, 0)));
  CHECK(problem(slow(8'700'000, 0)));
  CHECK_FALSE(problem(slow(8'700'000, 1e9)));
  CHECK(problem([](auto& it) { it.offered_load = 1e-6, it.backplane.link_mb_per_s = 0.001; }));
  CHECK(problem([](auto& it) { it.pattern = TrafficPattern::kTranspose, it.rows = 4; }));
  CHECK(problem([](auto& it) { it.pattern = TrafficPattern::kBitReversal, it.rows = 7; }));
  CHECK(problem([](auto& it) { it.pattern = TrafficPattern::kHotSpot, it.hot_spot.node = 64; }));
  CHECK(problem([](auto& it) { it.pattern = TrafficPattern::kHotSpot, it.hot_spot.share = 2; }));
}

TEST_CASE("a run that simulated time does not suffice for ends when it is over") {
  TrafficSettings settings = small(1000);  // a parcel takes 1000 s
  settings.backplane = {.mesh = 1, .link_mb_per_s = 0.001, .hop_ns = 40, .buffer_bytes = 128};
  settings.rows = 1;
  settings.columns = 2;
  settings.parcel_bytes = 1'000'000;
  settings.receive_fifo_bytes = 1'000'000;
  settings.duration_ns = 0;
  settings.parcels_per_node = 20000;
  REQUIRE_FALSE(problem_of(settings));
  const TrafficResult result = run_traffic(settings);
  CHECK(result.parcels > 2 * 9000);
  CHECK(result.parcels < 2 * 9300);
  CHECK(result.simulated_ns == doctest::Approx(9.223372e15));
  CHECK(result.latency_max_ns <= result.simulated_ns);
}

TEST_CASE("JSON has the settings and the result") {
  const TrafficSettings settings = small(0.25);
  const TrafficResult result = run_traffic(settings);
  const auto value = boost::json::parse(to_json(settings, result));
  CHECK(value.at("settings").at("pattern").as_string() == "uniform");
  CHECK(value.at("settings").at("offered_load").as_double() == 0.25);
  CHECK(value.at("result").at("parcels").to_number<std::uint64_t>() == result.parcels);
  CHECK(value.at("result").at("latency_p99_ns").to_number<double>() == result.latency_p99_ns);
}

}  // namespace
}  // namespace vmmc::nicsim::sim
