// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/simulated_loop.h"

#include <doctest/doctest.h>

#include <boost/asio/post.hpp>
#include <memory>

#include "nicsim/testing/simulated_fixture.h"

namespace vmmc::nicsim::simulated {
namespace {

using parts::testing::test_model;
using testing::SimulatedClient;

struct Fixture : testing::SimulatedFixture {
  boost::asio::io_context context{1};
  SimulatedLoop loop{context, machine, test_model(), {2, 2}, 2};

  std::unique_ptr<SimulatedClient> client(std::uint32_t node) {
    auto result = std::make_unique<SimulatedClient>(machine, node);
    loop.attached(*result->process);
    return result;
  }
  void leave(SimulatedClient& leaver) {
    loop.leaving(*leaver.process);
    machine.detach(*leaver.process);
  }
  // Lets the loop see the rings of all, and go as far as it can.
  void run() {
    boost::asio::post(context, [this] { boost::asio::post(context, [this] { loop.stop(); }); });
    loop.run();
    REQUIRE(loop.now() < 1'000'000 * kMicrosecond);
  }
};

TEST_CASE_FIXTURE(Fixture, "time begins when as many have attached as are expected") {
  const auto first = client(0);
  first->park(kMicrosecond);
  run();
  CHECK_FALSE(first->runs());
  CHECK(loop.now() == 0);
}

TEST_CASE_FIXTURE(Fixture, "one that has left counts as one that has attached") {
  const auto first = client(0);
  leave(*first);
  const auto second = client(1);
  second->park(kMicrosecond);
  run();
  CHECK(second->runs());
  CHECK(second->clock() == kMicrosecond);
}

TEST_CASE_FIXTURE(Fixture, "an import that nobody exports for times out at its simulated time") {
  const auto exporter = client(0);
  const auto importer = client(1);
  exporter->park(wire::kNoEnd);
  auto request = importer->import_request(*exporter, 9);
  request.waits = 1;
  request.timeout = 50'000;
  loop.asked(*importer->process, {.header = request.header, .waits = true, .timeout = 50'000});
  REQUIRE_FALSE(machine.import(*importer->process, request).has_value());
  run();
  CHECK(loop.now() >= 50 * kMicrosecond);
  CHECK(loop.now() < 200 * kMicrosecond);
}

TEST_CASE_FIXTURE(Fixture, "an import that is answered in time does not time out") {
  const auto exporter = client(0);
  const auto importer = client(1);
  exporter->park(kMicrosecond);
  auto request = importer->import_request(*exporter, 9);
  request.waits = 1;
  loop.asked(*importer->process, {.header = request.header, .waits = true, .timeout = 50'000});
  loop.asked(*importer->process, {.header = request.header, .waits = true, .timeout = 10});
  REQUIRE_FALSE(machine.import(*importer->process, request).has_value());
  loop.answered(*importer->process, request.header.request);
  loop.answered(*importer->process, request.header.request);
  importer->park(100 * kMicrosecond);
  exporter->park(wire::kNoEnd);
  run();
  CHECK(importer->runs());
  CHECK(importer->clock() == 100 * kMicrosecond);
  CHECK(late_imports.empty());
}

}  // namespace
}  // namespace vmmc::nicsim::simulated
