// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that do not keep to the rules of simulated time: nicsim lives, and the others go on, at the
// latest when such a client has ended.

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <random>

#include "nicsim/wire/channel.h"
#include "tests/faults/raw_client.h"
#include "tests/simulated_time/simulated_run.h"

namespace vmmc::testing {
namespace {

using wire::ContextState;

void set(RawClient& client, int context, ContextState state) {
  client.channel().time_contexts[context].state.store(static_cast<std::uint32_t>(state));
}

void scribble(RawClient& client, std::mt19937_64& random) {
  wire::TimeContext& context = client.channel().time_contexts[random() % wire::kTimeContexts];
  context.reasons = static_cast<std::uint32_t>(random());
  context.wait = random() >> (random() % 64);
  context.watch_segment = static_cast<std::uint32_t>(random() % 3);
  context.watch_offset = random() >> (random() % 64);
  context.clock = random();
  ++context.parks;
  context.state.store(static_cast<std::uint32_t>(random() % 4));
}

// Two processes that behave well talk to each other, while `nuisance` is done in this one again and
// again; it gets away before they end if they have to wait for that.
void disturb(const std::function<void(RawClient&)>& nuisance, bool has_to_go) {
  const NicsimProcess nicsim({"--model", "shrimp-2"});
  Notebook notebook;
  std::fflush(stdout);
  const pid_t others = ::fork();
  if (others == 0) {
    ::alarm(50);
    run_processes(nicsim, {[&](Part& part) {
                             attach();
                             const Everybody all(part, 2);
                             for (std::uint32_t i = 1; i <= 300; ++i) {
                               send_word(i, all.proxy(1));
                               await(all.memory(), i);
                             }
                             notebook.note(part, 300);
                             EXPECT(vmmc_finalize() == VMMC_OK);
                           },
                           [&](Part& part) {
                             attach();
                             const Everybody all(part, 2);
                             for (std::uint32_t i = 1; i <= 300; ++i) {
                               await(all.memory(), i);
                               send_word(i, all.proxy(0));
                             }
                             notebook.note(part, 300);
                             EXPECT(vmmc_finalize() == VMMC_OK);
                           }});
    ::_exit(0);
  }
  {
    RawClient client(nicsim.socket());
    client.attach(1000);
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(700))
      nuisance(client);
    if (!has_to_go) set(client, 0, ContextState::kFree);
    client.ring();
  }
  int status = -1;
  CHECK(::waitpid(others, &status, 0) == others);
  CHECK(status == 0);
  CHECK(notebook.read(2) == Notes{{300}, {300}});
  RawClient last(nicsim.socket());  // nicsim lives
  last.attach();
}

TEST_CASE("a client that never parks is in the way until it ends") {
  disturb([](RawClient&) { ::usleep(1000); }, true);
}

TEST_CASE("a client that takes no part is in nobody's way") {
  disturb(
      [](RawClient& client) {
        set(client, 0, ContextState::kFree);
        client.ring();
        ::usleep(1000);
      },
      false);
}

TEST_CASE("a client that scribbles over its contexts, and rings") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  disturb(
      [&](RawClient& client) {
        scribble(client, random);
        client.ring();
      },
      true);
}

TEST_CASE("a client that rings without end") {
  disturb(
      [](RawClient& client) {
        set(client, 0, ContextState::kFree);
        client.ring();
      },
      false);
}

TEST_CASE("a client that waits for imports without end and runs on") {
  disturb(
      [](RawClient& client) {
        wire::ImportRequest request{};
        request.header = client.header(wire::MessageType::kImport);
        request.node = 0;
        request.process = 77;
        request.access = wire::kAccessWrite;
        request.waits = 1;
        request.timeout = 1000;
        (void)client.send(request);
        ::usleep(200);
      },
      true);
}

TEST_CASE("a client whose waits are absurd lets the clock be") {
  disturb(
      [](RawClient& client) {
        wire::TimeContext& context = client.channel().time_contexts[0];
        context.reasons = wire::kComputes;
        context.wait = wire::kNoEnd - 7;
        ++context.parks;
        set(client, 0, ContextState::kParked);
        client.ring();
        ::usleep(1000);
      },
      true);
}

}  // namespace
}  // namespace vmmc::testing
