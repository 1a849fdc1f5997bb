// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include "nicsim/machine.h"
#include "nicsim/testing/fake_client.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;
using wire::Status;

namespace {

struct BindingsFixture : MachineFixture {
  FakeClient exporter{machine, 0};
  FakeClient importer{machine, 1};

  BindingsFixture() { REQUIRE(exporter.export_bytes(1, 0, 8192) == Status::kOk); }

  wire::ImportReply import() {
    return machine.import(*importer.process, importer.import_request(exporter, 1))->reply;
  }
  static wire::DeclareBindingRequest declaration(const wire::ImportReply& import,
                                                 std::uint32_t binding) {
    wire::DeclareBindingRequest request{};
    request.binding = binding;
    request.import_slot = import.import_slot;
    request.import_generation = import.import_generation;
    request.capture = 1;
    request.combining = 3;
    request.notifies = 1;
    request.offset = 4096;
    request.length = 4096;
    request.timer = 5;
    request.address = 0x7000;
    return request;
  }
  Status declare(const wire::DeclareBindingRequest& request) {
    return machine.declare_binding(*importer.process, request);
  }
  Status unimport(const wire::ImportReply& import) {
    return machine.unimport(*importer.process, {{}, import.import_slot, import.import_generation});
  }
  std::size_t declared() const { return importer.process->bindings.size(); }
};

}  // namespace

TEST_CASE_FIXTURE(BindingsFixture, "a binding is kept as it was declared, until it ends") {
  const auto held = import();
  CHECK(declare(declaration(held, 7)) == Status::kOk);
  REQUIRE(declared() == 1);
  const nicsim::DeclaredBinding& binding = importer.process->bindings.at(7);
  CHECK(binding.import_slot == held.import_slot);
  CHECK(binding.capture == 1);
  CHECK(binding.combining == 3);
  CHECK(binding.notifies);
  CHECK(binding.offset == 4096);
  CHECK(binding.length == 4096);
  CHECK(binding.timer == 5);
  CHECK(binding.address == 0x7000);
  CHECK(declare(declaration(held, 7)) == Status::kDuplicateId);
  CHECK(machine.end_binding(*importer.process, {{}, 8, 0}) == Status::kMalformed);
  CHECK(machine.end_binding(*importer.process, {{}, 7, 0}) == Status::kOk);
  CHECK(machine.end_binding(*importer.process, {{}, 7, 0}) == Status::kMalformed);
  CHECK(declared() == 0);
}

TEST_CASE_FIXTURE(BindingsFixture, "declarations that make no sense are refused") {
  const auto held = import();
  const auto refused = [&](auto change) {
    auto request = declaration(held, 1);
    change(request);
    return declare(request);
  };
  CHECK(refused([](auto& r) { r.capture = 0; }) == Status::kMalformed);
  CHECK(refused([](auto& r) { r.capture = 4; }) == Status::kMalformed);
  CHECK(refused([](auto& r) { r.combining = 4; }) == Status::kMalformed);
  CHECK(refused([](auto& r) { r.notifies = 2; }) == Status::kMalformed);
  CHECK(refused([](auto& r) { r.import_slot = 1; }) == Status::kUnknownImport);
  CHECK(refused([](auto& r) { r.import_slot = UINT32_MAX; }) == Status::kUnknownImport);
  CHECK(refused([](auto& r) { ++r.import_generation; }) == Status::kUnknownImport);
  CHECK(declared() == 0);
}

TEST_CASE_FIXTURE(BindingsFixture, "bindings end with their import, and with no other") {
  const auto first = import();
  const auto second = import();
  CHECK(declare(declaration(first, 1)) == Status::kOk);
  CHECK(declare(declaration(second, 2)) == Status::kOk);
  CHECK(declare(declaration(first, 3)) == Status::kOk);
  CHECK(unimport(first) == Status::kOk);
  REQUIRE(declared() == 1);
  CHECK(importer.process->bindings.contains(2));
  CHECK(declare(declaration(first, 4)) == Status::kUnknownImport);
  // The end of the buffer is not the end of the import.
  CHECK_FALSE(machine.unexport(*exporter.process, {{}, 1, 0}).has_value());
  CHECK(declared() == 1);
  CHECK(unimport(second) == Status::kOk);
  CHECK(declared() == 0);
}

TEST_CASE_FIXTURE(BindingsFixture, "a process has so many, and no more") {
  const auto held = import();
  for (std::uint32_t i = 0; i < wire::kMaxDeclaredBindings; ++i) {
    REQUIRE(declare(declaration(held, i)) == Status::kOk);
  }
  CHECK(declare(declaration(held, UINT32_MAX)) == Status::kOutOfMemory);
  CHECK(machine.end_binding(*importer.process, {{}, 0, 0}) == Status::kOk);
  CHECK(declare(declaration(held, UINT32_MAX)) == Status::kOk);
  machine.detach(*importer.process);
}
