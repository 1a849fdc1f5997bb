// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/arbiter.h"

#include <doctest/doctest.h>

#include <string>

using namespace vmmc::nicsim::parts;

namespace {

struct Fixture {
  EventQueue queue;
  std::string grants;
  struct Side final : Arbiter::Requester {
    Side(Fixture& its_fixture, char its_name, int how_often)
        : fixture(its_fixture), name(its_name), left(how_often) {}
    bool wants_chip() const override { return left > 0; }
    void chip_granted() override {
      --left;
      fixture.grants += name;
    }
    Fixture& fixture;
    char name;
    int left;
  };
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "arbiter: what comes in goes first, if the switch says so") {
  Side incoming(*this, 'i', 2);
  Side fifo(*this, 'f', 2);
  Side engine(*this, 'e', 2);
  Arbiter arbiter(queue, {.grant_ns = 3, .incoming_first = 1}, incoming, {&fifo, &engine});
  arbiter.look();
  queue.run();
  CHECK(grants == "iifefe");
  CHECK(queue.now() == from_ns(6 * 3));
  CHECK(arbiter.counters().incoming_grants == 2);
  CHECK(arbiter.counters().outgoing_grants == 4);
}

TEST_CASE_FIXTURE(Fixture, "arbiter: else they take turns") {
  Side incoming(*this, 'i', 3);
  Side fifo(*this, 'f', 2);
  Side engine(*this, 'e', 1);
  Arbiter arbiter(queue, {.grant_ns = 3, .incoming_first = 0}, incoming, {&fifo, &engine});
  arbiter.look();
  queue.run();
  CHECK(grants == "ifeifi");
}

TEST_CASE_FIXTURE(Fixture, "arbiter: who comes during a grant waits for that one only") {
  Side incoming(*this, 'i', 0);
  Side fifo(*this, 'f', 5);
  Arbiter arbiter(queue, {.grant_ns = 3, .incoming_first = 1}, incoming, {&fifo});
  arbiter.look();
  queue.run_until(from_ns(4));
  incoming.left = 1;
  arbiter.look();
  queue.run();
  CHECK(grants == "ffifff");
}
