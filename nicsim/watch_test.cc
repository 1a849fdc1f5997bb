// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// While anybody watches, no import is open to the host executor.

#include <doctest/doctest.h>

#include <cstdint>

#include "nicsim/testing/lending_fixture.h"

using namespace vmmc;
using nicsim::ImportAnswer;
using nicsim::testing::FakeClient;
using nicsim::testing::LendingFixture;
using wire::ExecutorDemand;
using wire::ImportPhase;
using wire::Status;

namespace {

struct WatchFixture : LendingFixture {
  Memory memory = export_lendable(1);
  FakeClient watcher{machine, 3};

  Status watch(FakeClient& client, std::uint32_t on) {
    return machine.watch(*client.process, {{}, on, 0});
  }
};

}  // namespace

TEST_CASE_FIXTURE(WatchFixture, "a watch takes every lent import back for its time") {
  const auto lent = import(importer, 1).reply;
  const auto also_lent = import(other, 1, ExecutorDemand::kHost).reply;
  const auto by_nic = import(importer, 1, ExecutorDemand::kNic).reply;
  const auto both_are = [&](ImportPhase phase) {
    return is(importer, lent, phase) && is(other, also_lent, phase) &&
           is(importer, by_nic, ImportPhase::kGranted);
  };
  CHECK(both_are(ImportPhase::kGrantedToHost));
  SUBCASE("one watcher, who may say it twice") {
    CHECK(watch(watcher, 0) == Status::kOk);
    CHECK(both_are(ImportPhase::kGrantedToHost));
    CHECK(watch(watcher, 1) == Status::kOk);
    CHECK(both_are(ImportPhase::kGranted));
    CHECK(watch(watcher, 1) == Status::kOk);
    CHECK(watch(watcher, 0) == Status::kOk);
  }
  SUBCASE("two watchers") {
    CHECK(watch(watcher, 1) == Status::kOk);
    CHECK(watch(importer, 1) == Status::kOk);
    CHECK(watch(watcher, 0) == Status::kOk);
    CHECK(both_are(ImportPhase::kGranted));
    CHECK(watch(watcher, 0) == Status::kOk);  // it ends no watch but its own
    CHECK(both_are(ImportPhase::kGranted));
    CHECK(watch(importer, 0) == Status::kOk);
  }
  SUBCASE("a watcher that ends") {
    CHECK(watch(watcher, 1) == Status::kOk);
    CHECK(both_are(ImportPhase::kGranted));
    machine.detach(*watcher.process);
  }
  SUBCASE("two watchers of whom one ends") {
    CHECK(watch(watcher, 1) == Status::kOk);
    CHECK(watch(exporter, 1) == Status::kOk);
    machine.detach(*watcher.process);
    CHECK(both_are(ImportPhase::kGranted));
    CHECK(watch(exporter, 0) == Status::kOk);
  }
  CHECK(both_are(ImportPhase::kGrantedToHost));
}

TEST_CASE_FIXTURE(WatchFixture, "what is granted during a watch opens when the watch ends") {
  CHECK_FALSE(
      machine.import(*importer.process, request(importer, 2, ExecutorDemand::kHost)).has_value());
  CHECK(watch(watcher, 1) == Status::kOk);
  const ImportAnswer answer = import(importer, 1, ExecutorDemand::kHost);
  const Memory second = export_lendable(2);
  REQUIRE(late_imports.size() == 1);
  const ImportAnswer waited = late_imports[0].second;
  // They have the mapping already, so that the end of the watch needs no message.
  CHECK(answer.memory >= 0);
  CHECK(waited.memory >= 0);
  CHECK(is(importer, answer.reply, ImportPhase::kGranted));
  CHECK(is(importer, waited.reply, ImportPhase::kGranted));
  CHECK(watch(watcher, 0) == Status::kOk);
  CHECK(is(importer, answer.reply, ImportPhase::kGrantedToHost));
  CHECK(is(importer, waited.reply, ImportPhase::kGrantedToHost));
  CHECK(unexport(1).lent == 1);
}

TEST_CASE_FIXTURE(WatchFixture, "a watch opens nothing that is not granted") {
  const auto taken_back = import(importer, 1).reply;
  const auto given_up = import(importer, 1).reply;
  CHECK(unimport(importer, given_up) == Status::kOk);
  CHECK(watch(watcher, 1) == Status::kOk);
  CHECK(is(importer, given_up, ImportPhase::kFree));
  CHECK(unexport(1).lent == 1);
  CHECK(is(importer, taken_back, ImportPhase::kUnexported));
  CHECK(watch(watcher, 0) == Status::kOk);
  CHECK(is(importer, given_up, ImportPhase::kFree));
  CHECK(is(importer, taken_back, ImportPhase::kUnexported));
}

TEST_CASE_FIXTURE(WatchFixture, "a watch that makes no sense changes nothing") {
  const auto lent = import(importer, 1).reply;
  for (const std::uint32_t senseless : {2u, UINT32_MAX}) {
    CHECK(watch(watcher, senseless) == Status::kMalformed);
    CHECK(is(importer, lent, ImportPhase::kGrantedToHost));
  }
  CHECK(watch(watcher, 1) == Status::kOk);
  CHECK(watch(watcher, 2) == Status::kMalformed);
  CHECK(is(importer, lent, ImportPhase::kGranted));
}
