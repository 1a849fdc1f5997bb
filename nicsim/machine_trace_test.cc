// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// While a trace is on no import is open to the host executor; who comes and goes, and what is refused.

#include <doctest/doctest.h>

#include <cerrno>
#include <set>

#include "nicsim/testing/lending_fixture.h"
#include "nicsim/testing/trace_reader.h"
#include "platform/system_calls.h"

using namespace vmmc;
using nicsim::Trace;
using nicsim::testing::events_of;
using nicsim::testing::FakeClient;
using nicsim::testing::LendingFixture;
using nicsim::testing::records_of;
using wire::ExecutorDemand;
using wire::ImportPhase;
using wire::Status;
using enum wire::TraceEvent;
using Events = std::vector<wire::TraceEvent>;

namespace {

struct TraceFixture : LendingFixture {
  Trace& trace = machine.instruments().trace;
};

}  // namespace

TEST_CASE_FIXTURE(TraceFixture, "a trace takes every lent import back for its time") {
  const Memory memory = export_lendable(1);
  const auto lent = import(importer, 1).reply;
  CHECK(is(importer, lent, ImportPhase::kGrantedToHost));
  CHECK(machine.stop_trace() == Status::kTraceIsOff);
  CHECK(is(importer, lent, ImportPhase::kGrantedToHost));
  CHECK(machine.start_trace(0) == Status::kOk);
  CHECK(trace.capacity() == Trace::kDefaultRecords);
  CHECK(machine.watchers() == 1);
  CHECK(is(importer, lent, ImportPhase::kGranted));
  CHECK(machine.start_trace(0) == Status::kTraceIsOn);
  CHECK(machine.watchers() == 1);
  const auto meanwhile = import(other, 1, ExecutorDemand::kHost);
  CHECK(meanwhile.memory >= 0);
  CHECK(is(other, meanwhile.reply, ImportPhase::kGranted));
  SUBCASE("a watch beside it ends for itself") {
    CHECK(machine.watch(*other.process, {{}, 1, 0}) == Status::kOk);
    CHECK(machine.stop_trace() == Status::kOk);
    CHECK(is(importer, lent, ImportPhase::kGranted));
    CHECK(machine.watch(*other.process, {{}, 0, 0}) == Status::kOk);
  }
  SUBCASE("alone") {
    CHECK(machine.stop_trace() == Status::kOk);
    CHECK(machine.stop_trace() == Status::kTraceIsOff);
  }
  CHECK(machine.watchers() == 0);
  CHECK(is(importer, lent, ImportPhase::kGrantedToHost));
  CHECK(is(other, meanwhile.reply, ImportPhase::kGrantedToHost));
}

TEST_CASE_FIXTURE(TraceFixture, "a trace for which there is no memory changes nothing") {
  const Memory memory = export_lendable(1);
  const auto lent = import(importer, 1).reply;
  CHECK(machine.start_trace(Trace::kMostRecords + 1) == Status::kOutOfMemory);
  static platform::SystemCalls failing = platform::real_system_calls();
  failing.memfd_create = [](const char*, unsigned) {
    errno = EMFILE;
    return -1;
  };
  platform::replace_system_calls(&failing);
  CHECK(machine.start_trace(0) == Status::kOutOfMemory);
  platform::replace_system_calls(nullptr);
  CHECK(machine.watchers() == 0);
  CHECK(is(importer, lent, ImportPhase::kGrantedToHost));
  CHECK(machine.start_trace(0) == Status::kOk);
}

TEST_CASE_FIXTURE(TraceFixture, "who comes and goes, exports and imports") {
  REQUIRE(machine.start_trace(0) == Status::kOk);
  {
    FakeClient late(machine, 3);
    machine.detach(*late.process);
  }
  const Memory memory = export_lendable(5);
  const auto mine = import(importer, 5).reply;
  (void)import(other, 5);
  CHECK(unimport(importer, mine) == Status::kOk);
  unexport(5);
  CHECK(events_of(trace) == Events{kAttached, kAttached, kAttached, kAttached, kLeft, kExported,
                                   kImported, kImported, kUnimported, kUnexported});
  auto all = records_of(trace);
  all.erase(all.begin(), all.begin() + 3);  // who was there
  for (const auto* record : all) CHECK(record->engine == wire::TraceEngine::kControlServer);
  CHECK(all[0]->node == 3);
  CHECK(all[0]->process == all[1]->process);
  CHECK((all[2]->process == exporter.process->id && all[2]->buffer == 5));
  CHECK(all[2]->length == kBufferPages * wire::kPageSize);
  CHECK((all[3]->node == 1 && all[3]->process == importer.process->id));
  CHECK((all[3]->peer == 0 && all[3]->peer_process == exporter.process->id));
  CHECK(all[3]->buffer == 5);
  CHECK(all[3]->page == mine.destination / wire::kPageSize);
  CHECK(all[5]->process == importer.process->id);
  CHECK(all[5]->buffer == 5);
}

TEST_CASE_FIXTURE(TraceFixture, "what is there is in the trace first, bindings and all") {
  const Memory memory = export_lendable(5);
  const auto mine = import(importer, 5).reply;
  wire::DeclareBindingRequest binding{};
  binding.binding = 9;
  binding.import_slot = mine.import_slot;
  binding.import_generation = mine.import_generation;
  binding.capture = 1;
  binding.notifies = 1;
  binding.offset = 4096;
  binding.length = 8192;
  REQUIRE(machine.declare_binding(*importer.process, binding) == Status::kOk);
  REQUIRE(machine.start_trace(0) == Status::kOk);
  CHECK(events_of(trace) == Events{kAttached, kAttached, kAttached, kExported, kImported, kBound});
  const auto all = records_of(trace);
  std::set<std::uint32_t> attached;
  for (int i = 0; i < 3; ++i) attached.insert(all[i]->process);
  CHECK(attached == std::set{exporter.process->id, importer.process->id, other.process->id});
  CHECK((all[3]->process == exporter.process->id && all[3]->buffer == 5));
  CHECK(all[4]->process == importer.process->id);
  CHECK(all[4]->page == mine.destination / wire::kPageSize);
  const wire::TraceRecord& bound = *all[5];
  CHECK((bound.node == 1 && bound.process == importer.process->id));
  CHECK((bound.peer == 0 && bound.peer_process == exporter.process->id && bound.buffer == 5));
  CHECK((bound.offset == 4096 && bound.length == 8192));
  CHECK(bound.flags == wire::kTraceNotifies);
  SUBCASE("the binding ends") {
    CHECK(machine.end_binding(*importer.process, {{}, 9, 0}) == Status::kOk);
    REQUIRE(trace.written() == 7);
    CHECK(events_of(trace).back() == kUnbound);
    CHECK(records_of(trace)[6]->length == 8192);
  }
  SUBCASE("its import ends, and takes it along") {
    CHECK(unimport(importer, mine) == Status::kOk);
    REQUIRE(trace.written() == 8);
    CHECK(events_of(trace)[6] == kUnbound);
    CHECK(records_of(trace)[6]->buffer == 5);
    CHECK(events_of(trace)[7] == kUnimported);
  }
  SUBCASE("another one is declared, and what is wrong is refused") {
    CHECK(machine.declare_binding(*importer.process, binding) == Status::kDuplicateId);
    binding.binding = 10;
    binding.notifies = 0;
    CHECK(machine.declare_binding(*importer.process, binding) == Status::kOk);
    REQUIRE(trace.written() == 8);
    CHECK(records_of(trace)[6]->event == kRequestRefused);
    CHECK(records_of(trace)[6]->value == 15);
    CHECK(records_of(trace)[7]->event == kBound);
    CHECK(records_of(trace)[7]->flags == 0);
  }
}

TEST_CASE_FIXTURE(TraceFixture, "an import that is withdrawn is refused, and noted") {
  auto waits = request(importer, 1, ExecutorDemand::kAny);
  waits.header.request = 77;
  CHECK_FALSE(machine.import(*importer.process, waits).has_value());
  REQUIRE(machine.start_trace(0) == Status::kOk);
  CHECK(machine.cancel_import(*importer.process, 77) == Status::kOk);
  const auto refused = records_of(trace, kRequestRefused);
  REQUIRE(refused.size() == 1);
  CHECK(refused[0]->status == static_cast<int>(Status::kImportCancelled));
  CHECK(refused[0]->peer_process == exporter.process->id);
  CHECK(machine.instruments().errors.entries().size() == 1);
  REQUIRE(late_imports.size() == 1);
  CHECK(late_imports[0].second.reply.header.status == Status::kImportCancelled);
}

TEST_CASE_FIXTURE(TraceFixture, "requests that are refused are in the trace and in the error log") {
  const Memory memory = export_lendable(1);
  const auto refuse_all = [&] {
    CHECK(machine.export_buffer(*exporter.process, whole(1, memory)) == Status::kDuplicateId);
    auto foreign = request(importer, 1, ExecutorDemand::kAny);
    foreign.node = 77;
    CHECK(machine.import(*importer.process, foreign)->reply.header.status == Status::kNoSuchNode);
    CHECK(machine.unexport(*exporter.process, {{}, 9, 0}) == Status::kUnknownExport);
    CHECK(machine.unimport(*importer.process, {{}, 100, 1}) == Status::kUnknownImport);
    CHECK(machine.release_segment(*importer.process, 100) == Status::kMalformed);
    wire::AttachRequest attach{};
    attach.node = 99;
    CHECK(std::get<Status>(machine.attach({}, attach)) == Status::kNoSuchNode);
  };
  refuse_all();
  REQUIRE(machine.start_trace(0) == Status::kOk);
  refuse_all();
  const auto refused = records_of(trace, kRequestRefused);
  REQUIRE(refused.size() == 6);
  CHECK(trace.written() == 4 + 6);  // three and an export were there
  CHECK(refused[0]->status == static_cast<int>(Status::kDuplicateId));
  CHECK(refused[0]->value == static_cast<std::uint64_t>(wire::MessageType::kExport));
  CHECK(refused[0]->buffer == 1);
  CHECK(refused[1]->value == static_cast<std::uint64_t>(wire::MessageType::kImport));
  CHECK(refused[1]->process == importer.process->id);
  CHECK(refused[1]->peer == 77);
  const auto& errors = machine.instruments().errors.entries();
  CHECK(errors.size() == 6);
  const auto of = [&](const std::string& what) -> std::uint64_t {
    for (const auto& [key, entry] : errors) {
      if (key.what == what) return entry.count;
    }
    return 0;
  };
  for (const char* what :
       {"export", "import", "unexport", "unimport", "release segment", "attach"}) {
    CAPTURE(what);
    CHECK(of(what) == 2);
  }
}

TEST_CASE_FIXTURE(TraceFixture,
                  "an import that waited and is refused is noted when it is answered") {
  auto waits = request(importer, 1, ExecutorDemand::kAny);
  CHECK_FALSE(machine.import(*importer.process, waits).has_value());
  CHECK(machine.instruments().errors.entries().empty());
  const Memory memory = register_pages(exporter, kBufferPages + 1);
  auto closed = whole(1, memory);
  closed.node = 3;  // for others
  REQUIRE(machine.export_buffer(*exporter.process, closed) == Status::kOk);
  REQUIRE(late_imports.size() == 1);
  const auto& errors = machine.instruments().errors.entries();
  REQUIRE(errors.size() == 1);
  CHECK(errors.begin()->first.status == Status::kPermissionDenied);
  CHECK(errors.begin()->first.what == "import");
  CHECK(errors.begin()->first.peer_process == exporter.process->id);
}
