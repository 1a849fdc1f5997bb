// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/engine_loop.h"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "nicsim/testing/fake_client.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;

// Control events are handled in several places of the loop; after none of them may it sleep.
TEST_CASE_FIXTURE(MachineFixture, "stop is heard whichever control event it comes in") {
  for (int before = 0; before < 600; ++before) {
    CAPTURE(before);
    boost::asio::io_context context(1);
    nicsim::EngineLoop loop(context, machine);
    bool overslept = false;
    boost::asio::steady_timer later(context, std::chrono::seconds(20));
    later.async_wait([&](const boost::system::error_code& error) { overslept = !error; });
    for (int i = 0; i < before; ++i) boost::asio::post(context, [] {});
    boost::asio::post(context, [&] { loop.stop(); });
    loop.run();
    REQUIRE_FALSE(overslept);
    later.cancel();
    context.run();
  }
}

// Else a client could attach to a nicsim that has decided to leave.
TEST_CASE_FIXTURE(MachineFixture, "nothing is carried out after stop") {
  boost::asio::io_context context(1);
  nicsim::EngineLoop loop(context, machine);
  // An active queue makes the loop poll the context, which carries out all that is ready.
  FakeClient client(machine, 0);
  loop.doorbell(*client.process);
  bool carried_out = false;
  boost::asio::post(context, [&] {
    loop.stop();
    boost::asio::post(context, [&] { carried_out = true; });
  });
  boost::asio::post(context, [&] { carried_out = true; });
  loop.run();
  CHECK_FALSE(carried_out);
}
