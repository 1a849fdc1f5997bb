// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine when there is much of something: processes, segments.

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "nicsim/machine.h"
#include "nicsim/testing/fake_client.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;
using wire::Status;

TEST_CASE_FIXTURE(MachineFixture, "attach: whoever leaves, all others are found by their ids") {
  std::vector<std::unique_ptr<FakeClient>> clients;
  for (std::uint32_t i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<FakeClient>(machine, i % 4));
    REQUIRE(clients.back()->process->id == i);
    REQUIRE(clients.back()->export_bytes(1, 0, 4096) == Status::kOk);
  }
  for (const std::uint32_t leaver : {19u, 0u, 7u, 8u}) {
    machine.detach(*clients[leaver]->process);
    clients[leaver].reset();
  }
  CHECK(machine.processes().size() == 16);
  FakeClient importer(machine, 0);
  CHECK(importer.process->id == 0);  // the lowest that is free
  for (const auto& exporter : clients) {
    if (exporter == nullptr) continue;
    const auto answer = machine.import(*importer.process, importer.import_request(*exporter, 1));
    REQUIRE(answer.has_value());
    CHECK(answer->reply.header.status == Status::kOk);
    auto wrong_node = importer.import_request(*exporter, 1);
    wrong_node.node = (wrong_node.node + 1) % 4;
    CHECK_FALSE(machine.import(*importer.process, wrong_node).has_value());  // waits
  }
  for (const std::uint32_t id : {7u, 8u, 19u}) {
    CHECK(FakeClient(machine, 0).process->id == id);
  }
}

TEST_CASE("segments: beyond the limits there is an error, or no lending; what exists goes on") {
  nicsim::Machine machine(
      4, {.import = [](auto&, const auto&) {}, .unexport = [](auto&, const auto&) {}},
      {.segments = 3, .segments_of_process = 3, .lending_descriptors = 0});
  FakeClient first(machine, 0);
  FakeClient second(machine, 1);
  const auto file = platform::create_shared_memory("more", 2 * wire::kPageSize);
  const auto add = [&](FakeClient& client) {
    return client.register_memory(file.value().get(), 2 * wire::kPageSize, 1);
  };
  const auto third = add(first);
  REQUIRE(std::holds_alternative<std::uint32_t>(third));
  CHECK(std::get<Status>(add(second)) == Status::kOutOfMemory);
  CHECK(std::get<Status>(add(first)) == Status::kOutOfMemory);
  // Taken, but not to be lent.
  auto request = first.export_request(1, 0, wire::kPageSize);
  request.extents[0] = {std::get<std::uint32_t>(third), 0, 1, 0};
  REQUIRE(machine.export_buffer(*first.process, request) == Status::kOk);
  const auto granted =
      machine.import(*second.process, second.import_request(first, 1, wire::kAccessWrite));
  CHECK(granted->reply.header.status == Status::kOk);
  CHECK(granted->reply.executor == wire::ExecutorDemand::kNic);
  CHECK(granted->memory == -1);
  auto host = second.import_request(first, 1);
  host.executor = wire::ExecutorDemand::kHost;
  CHECK(machine.import(*second.process, host)->reply.header.status == Status::kExecutorUnavailable);
  // Room that has been made is used again.
  machine.detach(*second.process);
  CHECK(std::holds_alternative<std::uint32_t>(add(first)));
  CHECK(std::get<Status>(add(first)) == Status::kOutOfMemory);
}

// No request names a byte twice, so it names no more pages than are registered now.
TEST_CASE_FIXTURE(MachineFixture, "segments: pages that were released count no more") {
  FakeClient client(machine, 0, 2);
  const auto file = platform::create_shared_memory("more", 2 * wire::kPageSize);
  const auto more =
      std::get<std::uint32_t>(client.register_memory(file.value().get(), 2 * wire::kPageSize));
  auto request = client.export_request(1, 0, 4 * wire::kPageSize);
  request.extent_count = 2;
  request.extents[0] = {client.segment, 0, 2, 0};
  request.extents[1] = {more, 0, 2, 0};
  REQUIRE(machine.export_buffer(*client.process, request) == Status::kOk);
  CHECK(client.process->registered_pages == 4);
  CHECK(machine.release_segment(*client.process, more) == Status::kOk);
  CHECK(machine.release_segment(*client.process, more) == Status::kMalformed);
  CHECK(client.process->registered_pages == 2);
}

TEST_CASE("segments: one process leaves some to the others") {
  nicsim::Machine machine(
      4, {.import = [](auto&, const auto&) {}, .unexport = [](auto&, const auto&) {}},
      {.segments = 4, .segments_of_process = 2, .lending_descriptors = 0});
  FakeClient first(machine, 0);
  FakeClient second(machine, 1);
  const auto file = platform::create_shared_memory("more", wire::kPageSize);
  const auto add = [&](FakeClient& client) {
    return client.register_memory(file.value().get(), wire::kPageSize);
  };
  CHECK(std::holds_alternative<std::uint32_t>(add(first)));
  CHECK(std::get<Status>(add(first)) == Status::kOutOfMemory);
  CHECK(std::holds_alternative<std::uint32_t>(add(second)));
}
