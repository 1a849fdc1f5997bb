// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: an exporter with lendable segments, and those who import from it.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>

#include "nicsim/testing/fake_client.h"

namespace vmmc::nicsim::testing {

struct LendingFixture : MachineFixture {
  static constexpr std::uint32_t kBothRights = wire::kAccessRead | wire::kAccessWrite;
  static constexpr std::uint32_t kBufferPages = 2;

  FakeClient exporter{machine, 0};
  FakeClient importer{machine, 1};
  FakeClient other{machine, 2};

  struct Memory {
    platform::FileDescriptor file;
    std::uint32_t segment;
  };
  Memory register_pages(FakeClient& owner, std::uint32_t pages, std::uint32_t lendable = 1) {
    const std::uint64_t bytes = std::uint64_t{pages} * wire::kPageSize;
    auto file = platform::create_shared_memory("lendable", bytes);
    REQUIRE(file.ok());
    const auto id = owner.register_memory(file.value().get(), bytes, lendable);
    return {std::move(file.value()), std::get<std::uint32_t>(id)};
  }

  // An export of a segment but for the page of its bell.
  wire::ExportRequest whole(std::uint32_t id, const Memory& memory) {
    auto request = exporter.export_request(id, 0, kBufferPages * wire::kPageSize);
    request.extents[0].segment = memory.segment;
    return request;
  }
  // A new one that can be lent.
  Memory export_lendable(std::uint32_t id) {
    Memory memory = register_pages(exporter, kBufferPages + 1);
    REQUIRE(machine.export_buffer(*exporter.process, whole(id, memory)) == wire::Status::kOk);
    return memory;
  }

  wire::ImportRequest request(FakeClient& client, std::uint32_t id, wire::ExecutorDemand executor,
                              std::uint32_t access = kBothRights) {
    auto result = client.import_request(exporter, id, access);
    result.executor = executor;
    return result;
  }
  ImportAnswer import(FakeClient& client, std::uint32_t id,
                      wire::ExecutorDemand executor = wire::ExecutorDemand::kAny,
                      std::uint32_t access = kBothRights) {
    const auto answer = machine.import(*client.process, request(client, id, executor, access));
    REQUIRE(answer.has_value());
    return *answer;
  }
  wire::Status unimport(FakeClient& client, const wire::ImportReply& import) {
    return machine.unimport(*client.process, {{}, import.import_slot, import.import_generation});
  }
  // What the reply to the unexport says; for buffers that nothing is under way to.
  wire::UnexportReply unexport(std::uint32_t id) {
    const std::size_t before = late_unexports.size();
    REQUIRE_FALSE(machine.unexport(*exporter.process, {{}, id, 0}).has_value());
    REQUIRE(late_unexports.size() == before + 1);
    REQUIRE(late_unexports.back().first == exporter.process);
    return late_unexports.back().second;
  }

  // True if the word in the channel is of the import's generation and says this.
  static bool is(FakeClient& client, const wire::ImportReply& import, wire::ImportPhase phase) {
    return client.channel().import_states[import.import_slot].load() ==
           wire::make_import_state(import.import_generation, phase);
  }
};

}  // namespace vmmc::nicsim::testing
