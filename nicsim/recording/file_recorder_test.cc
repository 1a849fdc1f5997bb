// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/recording/file_recorder.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "nicsim/recording/reader.h"
#include "nicsim/testing/fake_client.h"
#include "nicsim/transfer_engine.h"

using namespace vmmc;
using namespace vmmc::nicsim;
using namespace vmmc::nicsim::recording;
using nicsim::testing::FakeClient;

namespace {

struct TemporaryFile {
  TemporaryFile() {
    const char* folder = std::getenv("TEST_TMPDIR");
    path = std::string(folder == nullptr ? "/tmp" : folder) + "/recording-XXXXXX";
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path;
};

platform::FileDescriptor open_file(const std::string& path) {
  return std::move(std::get<platform::FileDescriptor>(open_recording(path, false)));
}

std::uint64_t post_mark(FakeClient& client, const wire::MarkOperands& mark) {
  wire::SendDescriptor& slot = client.next_slot({}, 0);
  slot.mark = mark;
  return client.publish(slot, wire::LocalPlace::kInline, 0, wire::Operation::kMark);
}

struct Limit {
  explicit Limit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limited{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~Limit() { ::setrlimit(RLIMIT_FSIZE, &before); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  rlimit before{};
};

Recording read(const std::string& path) {
  auto result = read_recording(path);
  if (const auto* problem = std::get_if<std::string>(&result)) FAIL(*problem);
  return std::get<Recording>(result);
}

}  // namespace

TEST_CASE("only a new or an empty regular file is recorded to, unless it may be replaced") {
  const TemporaryFile file;
  CHECK(std::holds_alternative<platform::FileDescriptor>(open_recording(file.path, false)));
  const int fd = ::open(file.path.c_str(), O_WRONLY);
  REQUIRE(::write(fd, "x", 1) == 1);
  ::close(fd);
  CHECK(std::get<std::string>(open_recording(file.path, false)) ==
        "cannot record to " + file.path + ": it is not empty; --record-overwrite replaces it");
  CHECK(std::holds_alternative<platform::FileDescriptor>(open_recording(file.path, true)));
  CHECK(std::get<std::string>(open_recording("/dev/null", true)) ==
        "cannot record to /dev/null: it is no regular file");
  CHECK(std::get<std::string>(open_recording("/nowhere/at/all", false)) ==
        "cannot record to /nowhere/at/all: No such file or directory");
}

TEST_CASE("everything that a machine is asked for is recorded, in its order") {
  const TemporaryFile file;
  {
    FileRecorder recorder(open_file(file.path), file.path, 2, 3);
    Machine machine(6, {});
    machine.record(recorder);
    TransferEngine engine(machine.backplane(), &recorder);
    FakeClient receiver(machine, 4);
    FakeClient sender(machine, 1);
    REQUIRE(receiver.export_bytes(7, 0, 8192) == wire::Status::kOk);
    const auto granted = machine.import(*sender.process, sender.import_request(receiver, 7));
    REQUIRE(granted->reply.header.status == wire::Status::kOk);
    auto mark = wire::make_mark(wire::MarkKind::kWork);
    mark.thread = 1;
    mark.work = 1234;
    post_mark(sender, mark);
    const std::uint64_t word = 5;
    sender.post(granted->reply, 100, std::as_bytes(std::span(&word, 1)));
    CHECK(engine.serve(*sender.process) == TransferEngine::Served::kWorked);
    CHECK(sender.completed(1));
    CHECK(sender.result(0) == wire::Status::kOk);
    CHECK(sender.channel().counters.inline_transfers == 1);  // a mark is none
    CHECK(sender.channel().counters.transfers_sent == 1);
    mark = wire::make_mark(wire::MarkKind::kWaitForWord, 100);
    mark.segment = receiver.segment;
    mark.width = 8;
    mark.comparison = 2;
    mark.value = 5;
    mark.waited = 17;
    post_mark(receiver, mark);
    CHECK(engine.serve(*receiver.process) == TransferEngine::Served::kWorked);
    machine.detach(*sender.process);
  }
  const Recording recording = read(file.path);
  CHECK(recording.cut_off.empty());
  CHECK(recording.header.rows == 2);
  CHECK(recording.header.columns == 3);
  std::vector<RecordKind> kinds;
  for (const Record& record : recording.records) kinds.push_back(record.kind);
  using enum RecordKind;
  REQUIRE(kinds == std::vector{kAttach, kAttach, kExport, kImport, kWork, kDeliberateUpdate,
                               kWaitForWord, kLeave});
  CHECK(recording.records[1].peer == 1);
  CHECK(recording.records[4].length == 1234);
  const Record& update = recording.records[5];
  CHECK(update.process == 1);
  CHECK(update.peer == 0);
  CHECK(update.buffer == 7);
  CHECK(update.offset == 100);
  CHECK(update.length == 8);
  CHECK(update.ticket == 1);
  const Record& wait = recording.records[6];
  CHECK(wait.flags == 0);
  CHECK(wait.buffer == 7);
  CHECK(wait.offset == 100);
  CHECK(wait.value == 5);
  CHECK(wait.slot == 17);
}

TEST_CASE("a mark that makes no sense is refused") {
  Machine machine(1, {});
  TransferEngine engine(machine.backplane());
  FakeClient client(machine, 0);
  const std::uint64_t wrong = post_mark(client, wire::make_mark(static_cast<wire::MarkKind>(9)));
  const std::uint64_t right = post_mark(client, wire::make_mark(wire::MarkKind::kHandlerEnds));
  engine.serve(*client.process);
  CHECK(client.result(wrong) == wire::Status::kMalformed);
  CHECK(client.result(right) == wire::Status::kOk);
}

TEST_CASE("a full disk ends the recording, and nothing else") {
  const TemporaryFile file;
  constexpr std::size_t kRoom = 70'000;
  {
    FileRecorder recorder(open_file(file.path), file.path, 1, 1);
    Machine machine(1, {});
    machine.record(recorder);
    TransferEngine engine(machine.backplane(), &recorder);
    FakeClient client(machine, 0);
    const Limit limit(kRoom);
    for (int i = 0; i < 3000; ++i) {
      post_mark(client, wire::make_mark(wire::MarkKind::kWork));
      engine.serve(*client.process);
    }
    CHECK(client.completed(2999));
    CHECK_FALSE(recorder.intact());
  }
  const Recording recording = read(file.path);
  CHECK(recording.records.size() == (kRoom - sizeof(FileHeader)) / sizeof(Record));
  CHECK_FALSE(recording.cut_off.empty());
}
