// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/simulated/simulated_loop.h"

#include <doctest/doctest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <utility>

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

// One comes back from outside, while the other one has still something to do: the one that comes back
// waits for it, however long that takes in real time.
struct ComesBack : Fixture {
  std::unique_ptr<SimulatedClient> outsider = client(0);
  std::unique_ptr<SimulatedClient> worker = client(1);
  Pace& pace = machine.instruments().pace;

  void come_back() {
    outsider->park(wire::kNoEnd, wire::kIsOutside);
    outsider->context().woken.store(1);
  }
  // Between two steps the loop goes as far as it may.
  void then(std::chrono::milliseconds wait, std::function<void()> step) {
    timer.expires_after(wait);
    timer.async_wait([step = std::move(step)](const boost::system::error_code&) { step(); });
  }
  // When one of them runs. It may take several looks: a timer that is late may be served before the loop has
  // gone on.
  void when_somebody_runs(std::function<void()> step) {
    then(kSoon, [this, step = std::move(step)] {
      if (worker->runs() || outsider->runs()) return step();
      when_somebody_runs(step);
    });
  }
  void worker_goes_first(std::uint64_t clock) {
    when_somebody_runs([this, clock] {
      CHECK(worker->runs());
      CHECK(worker->clock() == clock);
      CHECK_FALSE(outsider->runs());
      worker->park(wire::kNoEnd);
      pace.full();
      when_somebody_runs([this] {
        CHECK(outsider->runs());
        loop.stop();
      });
    });
  }
  static constexpr std::chrono::milliseconds kSoon{20};
  static constexpr std::chrono::milliseconds kLong{1500};
  boost::asio::steady_timer timer{context};
};

TEST_CASE_FIXTURE(ComesBack,
                  "real time in which somebody works, or the pace holds, does not count") {
  come_back();
  SUBCASE("somebody works") {
    worker->park(10 * kMicrosecond);
    when_somebody_runs([&] {
      CHECK(worker->clock() == 10 * kMicrosecond);
      std::this_thread::sleep_for(kLong);
      worker->park(10 * kMicrosecond);
      worker_goes_first(20 * kMicrosecond);
    });
  }
  SUBCASE("it is paused") {
    worker->park(10 * kMicrosecond);
    pace.pause();
    then(kLong, [&] {
      CHECK_FALSE(worker->runs());
      pace.full();
      worker_goes_first(10 * kMicrosecond);
    });
  }
  SUBCASE("it is slow") {
    worker->park(0);
    pace.slow(std::chrono::nanoseconds(0), 100'000);
    when_somebody_runs([&] {
      CHECK(worker->runs());
      worker->park(12 * kMicrosecond);
      worker_goes_first(12 * kMicrosecond);
    });
  }
  loop.run();
}

TEST_CASE_FIXTURE(Fixture, "while the pace holds it simulated time stands still") {
  Pace& pace = machine.instruments().pace;
  const auto first = client(0);
  const auto second = client(1);
  REQUIRE(first->export_bytes(1, 0, wire::kPageSize) == wire::Status::kOk);
  const auto import = machine.import(*second->process, second->import_request(*first, 1))->reply;
  pace.pause();
  auto stale = import;
  ++stale.import_generation;
  second->post(stale, 0, std::as_bytes(std::span("word", 4)));  // is refused, and uses up no step
  for (int i = 0; i < 2; ++i) {
    second->post(import, 0, std::as_bytes(std::span("word", 4)));
  }
  first->park(wire::kNoEnd);
  second->park(1000 * kMicrosecond);
  const auto received = [&] { return first->channel().counters.transfers_received.load(); };
  // Between two looks the loop goes as far as it may, if it has not been kept from it.
  boost::asio::steady_timer timer(context);
  std::function<void(std::function<bool()>, std::function<void()>)> when =
      [&](std::function<bool()> condition, std::function<void()> next) {
        timer.expires_after(std::chrono::milliseconds(5));
        timer.async_wait([&when, condition, next](const boost::system::error_code&) {
          if (condition()) return next();
          when(condition, next);
        });
      };
  const auto always = [] { return true; };
  when(always, [&] {
    CHECK(loop.now() == 0);
    CHECK(received() == 0);
    pace.step();
    when([&] { return received() > 0; },
         [&] {
           when(always, [&] {
             CHECK(received() == 1);
             CHECK_FALSE(second->runs());
             pace.slow(std::chrono::nanoseconds(0), 0.001);
             when([&] { return second->runs(); },
                  [&] {
                    CHECK(received() == 2);
                    loop.stop();
                  });
           });
         });
  });
  loop.run();
  CHECK(second->clock() >= 1000 * kMicrosecond);
}

}  // namespace
}  // namespace vmmc::nicsim::simulated
