// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/machine.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "nicsim/testing/fake_client.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::MachineFixture;
using wire::Status;

TEST_CASE_FIXTURE(MachineFixture, "attach: node and process id are checked and given") {
  const platform::PeerCredentials self{::getpid(), ::getuid(), ::getgid()};
  wire::AttachRequest request{};
  request.node = 4;
  request.process = wire::kAnyProcess;
  CHECK(std::get<Status>(machine.attach(self, request)) == Status::kNoSuchNode);
  request.node = 3;
  request.process = 7;
  CHECK(std::get<nicsim::Machine::Attached>(machine.attach(self, request)).process->id == 7);
  CHECK(std::get<Status>(machine.attach(self, request)) == Status::kProcessIdInUse);
  request.process = wire::kAnyProcess;
  auto attached = std::get<nicsim::Machine::Attached>(machine.attach(self, request));
  CHECK(attached.process->id == 0);
  machine.detach(*attached.process);
  CHECK(std::get<nicsim::Machine::Attached>(machine.attach(self, request)).process->id == 0);
}

TEST_CASE_FIXTURE(MachineFixture, "attach: a wrong probe value means that memory cannot be read") {
  std::uint64_t probe = 5;
  wire::AttachRequest request{};
  request.node = wire::kAnyNode;
  request.process = wire::kAnyProcess;
  request.probe_address = reinterpret_cast<std::uint64_t>(&probe);
  request.probe_value = 6;
  const platform::PeerCredentials self{::getpid(), ::getuid(), ::getgid()};
  auto attached = std::get<nicsim::Machine::Attached>(machine.attach(self, request));
  CHECK_FALSE(attached.process->can_read_memory);
}

TEST_CASE_FIXTURE(MachineFixture, "attach: the destination space is what the client has reserved") {
  const platform::PeerCredentials self{::getpid(), ::getuid(), ::getgid()};
  const auto granted = [&](std::uint64_t reserved) {
    wire::AttachRequest request{};
    request.node = wire::kAnyNode;
    request.process = wire::kAnyProcess;
    request.destination_space_bytes = reserved;
    auto attached = std::get<nicsim::Machine::Attached>(machine.attach(self, request));
    return attached.process->destination_space_bytes;
  };
  CHECK(granted(0) == wire::kMaxDestinationSpaceBytes);
  CHECK(granted(UINT64_MAX) == wire::kMaxDestinationSpaceBytes);
  CHECK(granted(1 << 26) == 1 << 26);
  CHECK(granted((1 << 26) + 4095) == 1 << 26);
  wire::AttachRequest too_little{};
  too_little.node = wire::kAnyNode;
  too_little.process = wire::kAnyProcess;
  too_little.destination_space_bytes = 4095;
  CHECK(std::get<Status>(machine.attach(self, too_little)) == Status::kMalformed);
}

TEST_CASE_FIXTURE(MachineFixture, "segments: only memory that is there") {
  FakeClient client(machine, 0);
  const int fd = ::memfd_create("sparse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(::ftruncate(fd, std::int64_t{1} << 40) == 0);
  REQUIRE(::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  CHECK(std::get<Status>(client.register_memory(fd, std::uint64_t{1} << 40)) == Status::kMalformed);
  ::close(fd);
}

TEST_CASE_FIXTURE(MachineFixture, "export: no more pages than the process has registered") {
  FakeClient client(machine, 0, 16);
  wire::ExportRequest request = client.export_request(1, 0, 16 * 4096);
  request.extent_count = 64;
  for (auto& extent : request.extents) extent = {client.segment, 0, 16, 0};
  request.length = 64 * 16 * 4096;
  CHECK(machine.export_buffer(*client.process, request) == Status::kMalformed);
}

TEST_CASE_FIXTURE(MachineFixture, "unexport: ends when the sender that it waits for dies") {
  FakeClient exporter(machine, 0);
  FakeClient sender(machine, 1);
  REQUIRE(exporter.export_bytes(1, 0, 4096) == Status::kOk);
  const auto import = machine.import(*sender.process, sender.import_request(exporter, 1))->reply;
  sender.post(import, 0, std::as_bytes(std::span("x", 1)));
  wire::UnexportRequest request{};
  request.buffer_id = 1;
  CHECK_FALSE(machine.unexport(*exporter.process, request).has_value());
  CHECK(late_unexports.empty());
  machine.detach(*sender.process);
  CHECK(late_unexports.size() == 1);
}

TEST_CASE_FIXTURE(MachineFixture, "segments: only sealed shared memory of the stated size") {
  FakeClient client(machine, 0);
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  CHECK(std::get<Status>(client.register_memory(pipes[0], 4096)) == Status::kMalformed);
  auto file = platform::create_shared_memory("test", 8192);
  REQUIRE(file.ok());
  const int fd = file.value().get();
  CHECK(std::get<Status>(client.register_memory(fd, 12288)) == Status::kMalformed);
  CHECK(std::get<Status>(client.register_memory(fd, 100)) == Status::kMalformed);
  CHECK(std::get<Status>(client.register_memory(fd, 0)) == Status::kMalformed);
  const auto id = std::get<std::uint32_t>(client.register_memory(fd, 8192));
  CHECK(machine.release_segment(*client.process, id) == Status::kOk);
  CHECK(machine.release_segment(*client.process, id) == Status::kMalformed);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST_CASE_FIXTURE(MachineFixture, "export: each refusal has its own status") {
  FakeClient client(machine, 1);
  auto request = client.export_request(1, 0, 4096);
  CHECK(machine.export_buffer(*client.process, request) == Status::kOk);
  CHECK(machine.export_buffer(*client.process, request) == Status::kDuplicateId);
  request.buffer_id = 2;
  CHECK(machine.export_buffer(*client.process, request) == Status::kOverlap);
  request = client.export_request(2, 4096 + 2, 16);
  CHECK(machine.export_buffer(*client.process, request) == Status::kMisaligned);
  request = client.export_request(2, 4096, 16);
  request.length = 0;
  CHECK(machine.export_buffer(*client.process, request) == Status::kZeroLength);
  request.length = ~0ull - 1;
  request.page_offset = 8;
  CHECK(machine.export_buffer(*client.process, request) == Status::kLengthOverflow);
  request = client.export_request(2, 4096, 16);
  request.access = 0;
  CHECK(machine.export_buffer(*client.process, request) == Status::kInvalidRights);
  request.access = 4;
  CHECK(machine.export_buffer(*client.process, request) == Status::kInvalidRights);
}

TEST_CASE_FIXTURE(MachineFixture, "export: extents that make no sense are refused") {
  FakeClient client(machine, 1, 4);
  const auto good = client.export_request(2, 4096, 8192);
  const auto refused = [&](auto change) {
    auto request = good;
    change(request);
    return machine.export_buffer(*client.process, request) == Status::kMalformed;
  };
  CHECK(refused([](auto& request) { request.extent_count = 0; }));
  CHECK(refused([](auto& request) { request.extent_count = wire::kMaxExtents + 1; }));
  CHECK(refused([](auto& request) { request.extents[0].segment += 1; }));
  CHECK(refused([](auto& request) { request.extents[0].pages = 0; }));
  CHECK(refused([](auto& request) { request.extents[0].pages = 1; }));
  CHECK(refused([](auto& request) { request.extents[0].pages = 3; }));
  CHECK(refused([](auto& request) { request.extents[0].first_page = 3; }));
  CHECK(refused([](auto& request) { request.extents[0].first_page = 0xffffffff; }));
  CHECK(refused([](auto& request) { request.page_offset = 4096; }));
  CHECK(machine.export_buffer(*client.process, good) == Status::kOk);
}

TEST_CASE_FIXTURE(MachineFixture, "export: buffers may touch, but not share a byte") {
  FakeClient client(machine, 0);
  CHECK(client.export_bytes(1, 100, 100) == Status::kOk);
  CHECK(client.export_bytes(2, 200, 100) == Status::kOk);
  CHECK(client.export_bytes(3, 96, 4) == Status::kOk);
  CHECK(client.export_bytes(4, 196, 8) == Status::kOverlap);
  CHECK(client.export_bytes(4, 0, 10000) == Status::kOverlap);
  CHECK(client.export_bytes(4, 120, 4) == Status::kOverlap);
  CHECK(client.export_bytes(4, 92, 8) == Status::kOverlap);
  wire::UnexportRequest unexport{{}, 2, 0};
  CHECK_FALSE(machine.unexport(*client.process, unexport).has_value());
  REQUIRE(late_unexports.size() == 1);
  CHECK(client.export_bytes(4, 200, 50) == Status::kOk);
  CHECK(machine.unexport(*client.process, unexport) == Status::kUnknownExport);
}

TEST_CASE_FIXTURE(MachineFixture, "import: rights by user, node, process and access") {
  FakeClient exporter(machine, 0);
  FakeClient importer(machine, 1);
  const auto outcome = [&](std::uint32_t id, auto change,
                           std::uint32_t access = wire::kAccessWrite) {
    auto request = exporter.export_request(id, id * 64, 64);
    change(request);
    REQUIRE(machine.export_buffer(*exporter.process, request) == Status::kOk);
    return machine.import(*importer.process, importer.import_request(exporter, id, access))
        ->reply.header.status;
  };
  CHECK(outcome(1, [](auto&) {}) == Status::kOk);
  CHECK(outcome(2, [](auto& r) { r.user = ::getuid() + 1; }) == Status::kPermissionDenied);
  CHECK(outcome(3, [](auto& r) { r.user = ::getuid(); }) == Status::kOk);
  CHECK(outcome(4, [](auto& r) { r.node = 2; }) == Status::kPermissionDenied);
  CHECK(outcome(5, [](auto& r) { r.node = 1; }) == Status::kOk);
  CHECK(outcome(6, [&](auto& r) { r.process = importer.process->id + 1; }) ==
        Status::kPermissionDenied);
  CHECK(outcome(7, [&](auto& r) { r.process = importer.process->id; }) == Status::kOk);
  CHECK(outcome(8, [](auto& r) { r.access = wire::kAccessRead; }) == Status::kPermissionDenied);
  CHECK(outcome(
            9, [](auto& r) { r.access = wire::kAccessRead; }, wire::kAccessRead) == Status::kOk);
  CHECK(outcome(
            10, [](auto&) {}, 0) == Status::kInvalidRights);
  auto request = importer.import_request(exporter, 1);
  request.node = 4;
  CHECK(machine.import(*importer.process, request)->reply.header.status == Status::kNoSuchNode);
}

TEST_CASE_FIXTURE(
    MachineFixture,
    "import: waits for the export, can be withdrawn, and is judged when the export comes") {
  FakeClient exporter(machine, 0);
  FakeClient importer(machine, 1);
  const auto first = importer.import_request(exporter, 5);
  const auto second = importer.import_request(exporter, 6);
  const auto third = importer.import_request(exporter, 7);
  CHECK_FALSE(machine.import(*importer.process, first).has_value());
  CHECK_FALSE(machine.import(*importer.process, second).has_value());
  CHECK_FALSE(machine.import(*importer.process, third).has_value());
  CHECK(late_imports.empty());

  CHECK(machine.cancel_import(*importer.process, second.header.request) == Status::kOk);
  REQUIRE(late_imports.size() == 1);
  CHECK(late_imports[0].second.reply.header.status == Status::kImportCancelled);
  CHECK(machine.cancel_import(*importer.process, second.header.request) == Status::kUnknownImport);

  CHECK(exporter.export_bytes(5, 0, 64) == Status::kOk);
  REQUIRE(late_imports.size() == 2);
  CHECK(late_imports[1].first == importer.process);
  CHECK(late_imports[1].second.reply.header.status == Status::kOk);
  CHECK(late_imports[1].second.reply.header.request == first.header.request);
  CHECK(late_imports[1].second.reply.length == 64);

  auto denied = exporter.export_request(7, 64, 64);
  denied.node = 3;
  CHECK(machine.export_buffer(*exporter.process, denied) == Status::kOk);
  REQUIRE(late_imports.size() == 3);
  CHECK(late_imports[2].second.reply.header.status == Status::kPermissionDenied);
}

TEST_CASE_FIXTURE(MachineFixture,
                  "import: the table is bounded, and slots come back with a new generation") {
  FakeClient exporter(machine, 0);
  FakeClient importer(machine, 1);
  REQUIRE(exporter.export_bytes(1, 0, 64) == Status::kOk);
  wire::ImportReply last{};
  for (std::uint32_t i = 0; i < wire::kImportSlots; ++i) {
    last = machine.import(*importer.process, importer.import_request(exporter, 1))->reply;
    REQUIRE(last.header.status == Status::kOk);
  }
  CHECK(machine.import(*importer.process, importer.import_request(exporter, 1))
            ->reply.header.status == Status::kTooManyImports);
  wire::UnimportRequest unimport{{}, last.import_slot, last.import_generation};
  CHECK(machine.unimport(*importer.process, unimport) == Status::kOk);
  CHECK(machine.unimport(*importer.process, unimport) == Status::kUnknownImport);
  const auto again = machine.import(*importer.process, importer.import_request(exporter, 1))->reply;
  CHECK(again.import_slot == last.import_slot);
  CHECK(again.import_generation == last.import_generation + 1);
}

TEST_CASE_FIXTURE(MachineFixture, "the end of an exporter is written into its importers' tables") {
  auto exporter = std::make_unique<FakeClient>(machine, 0);
  FakeClient importer(machine, 1);
  REQUIRE(exporter->export_bytes(1, 0, 64) == Status::kOk);
  const auto import =
      machine.import(*importer.process, importer.import_request(*exporter, 1))->reply;
  const auto phase = [&] {
    return wire::import_phase(importer.channel().import_states[import.import_slot].load());
  };
  CHECK(phase() == wire::ImportPhase::kGranted);
  machine.detach(*exporter->process);
  CHECK(phase() == wire::ImportPhase::kPeerDead);
  CHECK(machine.unimport(*importer.process, {{}, import.import_slot, import.import_generation}) ==
        Status::kOk);
  CHECK(phase() == wire::ImportPhase::kFree);
}

namespace {

using Identities = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // node and process

// All importers of a buffer, asked for a reply at a time.
Identities list(nicsim::Machine& machine, nicsim::Process& owner, std::uint32_t id) {
  Identities result;
  for (;;) {
    const auto reply =
        machine.list_importers(owner, {{}, id, static_cast<std::uint32_t>(result.size())});
    REQUIRE(reply.header.status == Status::kOk);
    REQUIRE(reply.listed <= wire::kMaxListedImporters);
    for (std::uint32_t i = 0; i < reply.listed; ++i) {
      result.emplace_back(reply.importers[i].node, reply.importers[i].process);
    }
    REQUIRE(result.size() <= reply.total);
    if (result.size() == reply.total) break;
    REQUIRE(reply.listed == wire::kMaxListedImporters);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace

TEST_CASE_FIXTURE(MachineFixture, "importers are listed, one for each import, page by page") {
  FakeClient exporter(machine, 0);
  REQUIRE(exporter.export_bytes(1, 0, 64) == Status::kOk);
  CHECK(list(machine, *exporter.process, 1).empty());
  std::vector<std::unique_ptr<FakeClient>> importers;
  std::vector<wire::ImportReply> imports;
  Identities expected;
  constexpr std::uint32_t kCount = 2 * wire::kMaxListedImporters + 1;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    if (i % 2 == 0) importers.push_back(std::make_unique<FakeClient>(machine, i % 4, 1));
    FakeClient& importer = *importers.back();
    imports.push_back(
        machine.import(*importer.process, importer.import_request(exporter, 1))->reply);
    expected.emplace_back(importer.process->node, importer.process->id);
  }
  std::sort(expected.begin(), expected.end());
  CHECK(list(machine, *exporter.process, 1) == expected);

  const auto gone = std::pair(importers[0]->process->node, importers[0]->process->id);
  machine.detach(*importers[0]->process);  // who held two imports
  std::erase(expected, gone);
  const auto given_up = std::pair(importers[1]->process->node, importers[1]->process->id);
  CHECK(machine.unimport(*importers[1]->process,
                         {{}, imports[2].import_slot, imports[2].import_generation}) ==
        Status::kOk);
  expected.erase(std::find(expected.begin(), expected.end(), given_up));
  CHECK(list(machine, *exporter.process, 1) == expected);
  CHECK(expected.size() == kCount - 3);
}

TEST_CASE_FIXTURE(MachineFixture,
                  "importers: of no buffer, behind the last, and of a buffer that goes") {
  FakeClient exporter(machine, 0);
  FakeClient importer(machine, 1);
  REQUIRE(exporter.export_bytes(1, 0, 64) == Status::kOk);
  const auto import =
      machine.import(*importer.process, importer.import_request(exporter, 1))->reply;
  const auto ask = [&](FakeClient& client, std::uint32_t id, std::uint32_t first) {
    return machine.list_importers(*client.process, {{}, id, first});
  };
  CHECK(ask(exporter, 2, 0).header.status == Status::kUnknownExport);
  CHECK(ask(importer, 1, 0).header.status == Status::kUnknownExport);  // not its own
  CHECK(ask(exporter, 1, 0).listed == 1);
  for (const std::uint32_t first : {1u, 2u, UINT32_MAX}) {
    CHECK(ask(exporter, 1, first).total == 1);
    CHECK(ask(exporter, 1, first).listed == 0);
  }
  importer.post(import, 0, std::as_bytes(std::span("x", 1)));
  CHECK_FALSE(machine.unexport(*exporter.process, {{}, 1, 0}).has_value());
  CHECK(ask(exporter, 1, 0).header.status == Status::kUnknownExport);
}

TEST_CASE_FIXTURE(MachineFixture, "real-time channels: none in simulated time, whatever is asked") {
  machine.use_simulated_time();
  FakeClient client(machine, 0);
  CHECK(machine.open_channel(*client.process, {}).reply.header.status ==
        Status::kNotInSimulatedTime);
  CHECK(machine.connect_channel(*client.process, {}).reply.header.status ==
        Status::kNotInSimulatedTime);
  CHECK(machine.close_channel(*client.process, {}) == Status::kNotInSimulatedTime);
}
