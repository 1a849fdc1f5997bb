// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which imports are granted the host executor, what they are handed, and what is said of them.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "nicsim/testing/lending_fixture.h"

using namespace vmmc;
using nicsim::ImportAnswer;
using nicsim::testing::FakeClient;
using nicsim::testing::LendingFixture;
using wire::ExecutorDemand;
using wire::ImportPhase;
using wire::Status;

namespace {

bool are_one_file(int one, int other) {
  struct stat first {};
  struct stat second {};
  REQUIRE(::fstat(one, &first) == 0);
  REQUIRE(::fstat(other, &second) == 0);
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool is_lent(const ImportAnswer& answer) {
  REQUIRE(answer.reply.header.status == Status::kOk);
  CHECK((answer.memory >= 0) == (answer.reply.executor == ExecutorDemand::kHost));
  CHECK((answer.memory < 0) == (answer.reply.executor == ExecutorDemand::kNic));
  return answer.memory >= 0;
}

}  // namespace

TEST_CASE_FIXTURE(LendingFixture, "every importer gets the memory of the buffer's own segment") {
  const Memory memory = export_lendable(1);
  const Memory second = export_lendable(2);
  for (FakeClient* const client : {&importer, &other, &exporter}) {
    const ImportAnswer answer = import(*client, 1);
    REQUIRE(is_lent(answer));
    CHECK(are_one_file(answer.memory, memory.file.get()));
    CHECK_FALSE(are_one_file(answer.memory, second.file.get()));
    CHECK(answer.reply.length == kBufferPages * wire::kPageSize);
    CHECK(is(*client, answer.reply, ImportPhase::kGrantedToHost));
  }
  CHECK(are_one_file(import(importer, 2, ExecutorDemand::kHost).memory, second.file.get()));
}

TEST_CASE_FIXTURE(LendingFixture, "what is stored in lent memory is in the exporter's") {
  const Memory memory = export_lendable(1);
  constexpr std::size_t kBytes = (kBufferPages + 1) * wire::kPageSize;
  auto theirs = platform::SharedMapping::map(import(importer, 1).memory, kBytes);
  auto own = platform::SharedMapping::map(memory.file.get(), kBytes);
  REQUIRE(theirs.ok());
  REQUIRE(own.ok());
  std::memcpy(theirs.value().data() + 4092, "across", 6);
  CHECK(std::memcmp(own.value().data() + 4092, "across", 6) == 0);
}

TEST_CASE_FIXTURE(LendingFixture,
                  "only all pages of one lendable segment with its bell are lent, with all rights "
                  "and without conditions") {
  using Change = std::function<void(wire::ExportRequest&)>;
  const auto lends = [&](const Change& change, std::uint32_t pages = kBufferPages + 1,
                         std::uint32_t lendable = 1, std::uint32_t access = kBothRights) {
    auto memory = register_pages(exporter, pages, lendable);
    auto request = whole(1, memory);
    change(request);
    REQUIRE(machine.export_buffer(*exporter.process, request) == Status::kOk);
    const ImportAnswer best = import(importer, 1, ExecutorDemand::kAny, access);
    const bool lent = is_lent(best);
    CHECK(is(importer, best.reply, lent ? ImportPhase::kGrantedToHost : ImportPhase::kGranted));
    const ImportAnswer host = import(importer, 1, ExecutorDemand::kHost, access);
    CHECK(host.reply.header.status == (lent ? Status::kOk : Status::kExecutorUnavailable));
    CHECK((host.memory >= 0) == lent);
    CHECK(unexport(1).lent == (lent ? 1 : 0));
    return lent;
  };
  const Change none = [](auto&) {};
  CHECK(lends(none));
  CHECK(lends([](auto& r) { r.flags = wire::kExportNotifies; }));
  CHECK(lends([](auto& r) { r.user = ::getuid(); }));
  CHECK_FALSE(lends(none, kBufferPages + 1, 0));
  CHECK_FALSE(lends(none, kBufferPages));
  CHECK_FALSE(lends(none, kBufferPages + 2));
  CHECK(lends([](auto& r) { r.length -= 4; }));
  CHECK(lends([](auto& r) { r.length -= wire::kPageSize - 4; }));
  CHECK_FALSE(lends([](auto& r) {
    r.page_offset = 4;
    r.length -= 4;
  }));
  CHECK_FALSE(lends([](auto& r) { r.extents[0].first_page = 1; }));
  CHECK_FALSE(lends([](auto& r) {
    r.extent_count = 2;
    r.extents[1] = {r.extents[0].segment, 1, kBufferPages - 1, 0};
    r.extents[0].pages = 1;
  }));
  CHECK_FALSE(lends([](auto& r) { r.flags = wire::kExportRedirectable; }));
  CHECK_FALSE(lends([](auto& r) { r.executor = ExecutorDemand::kNic; }));
  for (const std::uint32_t access : {wire::kAccessRead, wire::kAccessWrite}) {
    CHECK_FALSE(lends([&](auto& r) { r.access = access; }, kBufferPages + 1, 1, access));
  }
  // Of an export with all rights an importer may want only some.
  CHECK(lends(none, kBufferPages + 1, 1, wire::kAccessRead));
}

TEST_CASE_FIXTURE(LendingFixture, "the importer's demand is obeyed, and a senseless one refused") {
  const Memory memory = export_lendable(1);
  const ImportAnswer nic = import(importer, 1, ExecutorDemand::kNic);
  CHECK_FALSE(is_lent(nic));
  CHECK(is(importer, nic.reply, ImportPhase::kGranted));
  CHECK(is_lent(import(importer, 1, ExecutorDemand::kAny)));
  CHECK(is_lent(import(importer, 1, ExecutorDemand::kHost)));
  for (const std::uint32_t senseless : {3u, UINT32_MAX}) {
    const auto executor = static_cast<ExecutorDemand>(senseless);
    const ImportAnswer answer = import(importer, 1, executor);
    CHECK(answer.reply.header.status == Status::kInvalidRights);
    CHECK(answer.memory == -1);
    // Before the export is there, too.
    CHECK(import(importer, 9, executor).reply.header.status == Status::kInvalidRights);
  }
  const Memory more = register_pages(exporter, kBufferPages + 1);
  auto demanded = whole(2, more);
  demanded.executor = ExecutorDemand::kHost;
  CHECK(machine.export_buffer(*exporter.process, demanded) == Status::kInvalidRights);
  const auto refused = exporter.register_memory(more.file.get(), 4096, 2);
  CHECK(std::get<Status>(refused) == Status::kMalformed);
}

TEST_CASE_FIXTURE(LendingFixture, "imports that waited are judged like others") {
  const auto wait = [&](std::uint32_t id, ExecutorDemand executor) {
    CHECK_FALSE(machine.import(*importer.process, request(importer, id, executor)).has_value());
  };
  for (const std::uint32_t id : {1u, 2u, 3u}) {
    wait(id, ExecutorDemand::kAny);
    wait(id, ExecutorDemand::kNic);
    wait(id, ExecutorDemand::kHost);
  }
  const Memory memory = export_lendable(1);
  REQUIRE(late_imports.size() == 3);
  CHECK(is_lent(late_imports[0].second));
  CHECK(are_one_file(late_imports[0].second.memory, memory.file.get()));
  CHECK_FALSE(is_lent(late_imports[1].second));
  CHECK(is_lent(late_imports[2].second));
  CHECK(is(importer, late_imports[2].second.reply, ImportPhase::kGrantedToHost));

  REQUIRE(exporter.export_bytes(2, 0, 64) == Status::kOk);
  REQUIRE(late_imports.size() == 6);
  CHECK_FALSE(is_lent(late_imports[3].second));
  CHECK_FALSE(is_lent(late_imports[4].second));
  CHECK(late_imports[5].second.reply.header.status == Status::kExecutorUnavailable);
  CHECK(late_imports[5].second.memory == -1);

  // Who may not import at all is told nothing of executors.
  auto for_others = exporter.export_request(3, 64, 64);
  for_others.process = other.process->id;
  REQUIRE(machine.export_buffer(*exporter.process, for_others) == Status::kOk);
  REQUIRE(late_imports.size() == 9);
  for (std::size_t i = 6; i < 9; ++i) {
    CHECK(late_imports[i].second.reply.header.status == Status::kPermissionDenied);
  }
}

TEST_CASE_FIXTURE(LendingFixture, "who has no right to a lendable buffer does not get its memory") {
  const Memory memory = register_pages(exporter, kBufferPages + 1);
  auto exported = whole(1, memory);
  exported.process = importer.process->id;
  REQUIRE(machine.export_buffer(*exporter.process, exported) == Status::kOk);
  const ImportAnswer denied = import(other, 1);
  CHECK(denied.reply.header.status == Status::kPermissionDenied);
  CHECK(denied.memory == -1);
  CHECK(unexport(1).lent == 0);
}

TEST_CASE_FIXTURE(LendingFixture, "a slot that is used again says so by its generation") {
  const Memory memory = export_lendable(1);
  const auto first = import(importer, 1).reply;
  CHECK(unimport(importer, first) == Status::kOk);
  CHECK(is(importer, first, ImportPhase::kFree));
  const auto second = import(importer, 1).reply;
  CHECK(second.import_slot == first.import_slot);
  CHECK(second.import_generation == first.import_generation + 1);
  CHECK(is(importer, second, ImportPhase::kGrantedToHost));
  CHECK(unimport(importer, first) == Status::kUnknownImport);
  CHECK(unimport(importer, second) == Status::kOk);
  const auto third = import(importer, 1, ExecutorDemand::kNic).reply;
  CHECK(third.import_slot == first.import_slot);
  CHECK(is(importer, third, ImportPhase::kGranted));
}

TEST_CASE_FIXTURE(LendingFixture, "unexport says whether anybody got the memory") {
  Memory memory = export_lendable(1);
  SUBCASE("nobody imported") { CHECK(unexport(1).lent == 0); }
  SUBCASE("nobody wanted it") {
    const auto held = import(importer, 1, ExecutorDemand::kNic).reply;
    CHECK(unexport(1).lent == 0);
    CHECK(is(importer, held, ImportPhase::kUnexported));
  }
  SUBCASE("one holds it") {
    const auto held = import(importer, 1).reply;
    const auto by_nic = import(other, 1, ExecutorDemand::kNic).reply;
    CHECK(unexport(1).lent == 1);
    CHECK(is(importer, held, ImportPhase::kUnexported));
    CHECK(is(other, by_nic, ImportPhase::kUnexported));
  }
  SUBCASE("one had it, and may still have it mapped") {
    CHECK(unimport(importer, import(importer, 1).reply) == Status::kOk);
    CHECK(unexport(1).lent == 1);
  }
  SUBCASE("one had it, and has ended") {
    import(importer, 1);
    machine.detach(*importer.process);
    CHECK(unexport(1).lent == 1);
  }
  SUBCASE("one had no slot left for it") {
    for (std::uint32_t i = 0; i < wire::kImportSlots; ++i) {
      import(importer, 1, ExecutorDemand::kNic);
    }
    const ImportAnswer answer = import(importer, 1, ExecutorDemand::kHost);
    CHECK(answer.reply.header.status == Status::kTooManyImports);
    CHECK(answer.memory == -1);
    CHECK(unexport(1).lent == 0);
  }
  // The next export of the same pages begins anew.
  REQUIRE(machine.export_buffer(*exporter.process, whole(1, memory)) == Status::kOk);
  CHECK(unexport(1).lent == 0);
}

TEST_CASE_FIXTURE(LendingFixture, "an unexport that waits takes nothing back before its end") {
  const Memory memory = export_lendable(1);
  const auto held = import(importer, 1).reply;
  importer.post(held, 0, std::as_bytes(std::span("x", 1)));
  CHECK_FALSE(machine.unexport(*exporter.process, {{}, 1, 0}).has_value());
  CHECK(late_unexports.empty());
  CHECK(is(importer, held, ImportPhase::kGrantedToHost));
  CHECK_FALSE(machine.import(*other.process, request(other, 1, ExecutorDemand::kAny)).has_value());
  importer.channel().send_queue[0].header.store(0);  // withdrawn
  machine.found_empty(*importer.process);
  REQUIRE(late_unexports.size() == 1);
  CHECK(late_unexports[0].second.lent == 1);
  CHECK(is(importer, held, ImportPhase::kUnexported));
}

TEST_CASE_FIXTURE(LendingFixture, "the end of the exporter ends what was lent") {
  const Memory memory = export_lendable(1);
  const auto held = import(importer, 1).reply;
  machine.detach(*exporter.process);
  CHECK(is(importer, held, ImportPhase::kPeerDead));
  CHECK(unimport(importer, held) == Status::kOk);
  CHECK(is(importer, held, ImportPhase::kFree));
}

TEST_CASE_FIXTURE(LendingFixture, "a segment that is released stays lendable under its export") {
  const Memory memory = export_lendable(1);
  REQUIRE(machine.release_segment(*exporter.process, memory.segment) == Status::kOk);
  const ImportAnswer answer = import(importer, 1, ExecutorDemand::kHost);
  REQUIRE(is_lent(answer));
  CHECK(are_one_file(answer.memory, memory.file.get()));
}

TEST_CASE_FIXTURE(LendingFixture, "an importer cannot close the memory to the next one") {
  const Memory memory = export_lendable(1);
  const int first = import(importer, 1).memory;
  for (const int seal : {F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL}) {
    CHECK(::fcntl(first, F_ADD_SEALS, seal) == -1);
  }
  CHECK(::ftruncate(first, 0) == -1);
  CHECK(::ftruncate(first, 1 << 20) == -1);
  const auto second = platform::SharedMapping::map(import(other, 1).memory, 4096);
  CHECK(second.ok());
}

TEST_CASE_FIXTURE(LendingFixture, "memory that others could still seal is not lent") {
  // Sealed against more seals, but not against growing.
  platform::FileDescriptor file(::memfd_create("grows", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr std::uint64_t kBytes = (kBufferPages + 1) * wire::kPageSize;
  REQUIRE(::posix_fallocate(file.get(), 0, kBytes) == 0);
  REQUIRE(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
  const auto id = std::get<std::uint32_t>(exporter.register_memory(file.get(), kBytes, 1));
  const Memory memory{std::move(file), id};
  REQUIRE(machine.export_buffer(*exporter.process, whole(1, memory)) == Status::kOk);
  CHECK_FALSE(is_lent(import(importer, 1)));
}

TEST_CASE_FIXTURE(LendingFixture, "descriptors are kept for clients to come") {
  rlimit descriptors{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
  const int limit = static_cast<int>(std::min<rlim_t>(descriptors.rlim_cur / 4 * 3, INT_MAX));
  const auto lends = [&](std::uint32_t id, int number) {
    auto memory = platform::create_shared_memory("lendable", 3 * wire::kPageSize);
    platform::FileDescriptor moved(::fcntl(memory.value().get(), F_DUPFD_CLOEXEC, number));
    REQUIRE(moved.get() == number);
    wire::RegisterSegmentRequest request{{}, 3 * wire::kPageSize, 1, 0};
    const auto segment = machine.register_segment(*exporter.process, std::move(moved), request);
    auto exported = exporter.export_request(id, 0, kBufferPages * wire::kPageSize);
    exported.extents[0].segment = std::get<std::uint32_t>(segment);
    REQUIRE(machine.export_buffer(*exporter.process, exported) == Status::kOk);
    const bool lent = is_lent(import(importer, id));
    CHECK((::fcntl(number, F_GETFD) >= 0) == lent);  // else nicsim has closed it
    return lent;
  };
  CHECK(lends(1, limit - 1));
  CHECK_FALSE(lends(2, limit));
  CHECK(import(importer, 2, ExecutorDemand::kHost).reply.header.status ==
        Status::kExecutorUnavailable);
}
