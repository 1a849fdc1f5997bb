// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Real processes under nicsim --record, and what their recordings hold and cost in a replay.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "nicsim/model/model_file.h"
#include "nicsim/recording/reader.h"
#include "nicsim/sim/replay.h"
#include "tests/conformance/conformance.h"
#include "vmmc/automatic_update.h"
#include "vmmc/notification.h"
#include "vmmc/remote_access.h"

using namespace vmmc::testing;
using vmmc::nicsim::recording::Record;
using vmmc::nicsim::recording::Recording;
using vmmc::nicsim::recording::RecordKind;
using vmmc::nicsim::sim::ReplayResult;

namespace {

namespace recording = vmmc::nicsim::recording;
namespace model = vmmc::nicsim::model;
namespace sim = vmmc::nicsim::sim;

struct TemporaryFile {
  TemporaryFile() : path("/tmp/recording-" + random_name()) {}
  ~TemporaryFile() { ::unlink(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string path;
};

Recording read(const TemporaryFile& file) {
  auto result = recording::read_recording(file.path);
  if (const auto* problem = std::get_if<std::string>(&result)) FAIL(*problem);
  return std::get<Recording>(result);
}

ReplayResult replayed(const Recording& recorded, const char* model_name = "shrimp-2") {
  const model::ModelResult loaded = model::load_model(model_name);
  REQUIRE(loaded.ok());
  const auto result = sim::replay(recorded, loaded.value().values);
  if (const auto* problem = std::get_if<std::string>(&result)) FAIL(*problem);
  CHECK(std::get<ReplayResult>(result) ==
        std::get<ReplayResult>(sim::replay(recorded, loaded.value().values)));
  return std::get<ReplayResult>(result);
}

std::size_t count(const Recording& recorded, RecordKind kind) {
  return static_cast<std::size_t>(std::ranges::count(recorded.records, kind, &Record::kind));
}

void end_well(NicsimProcess& nicsim) {
  const int status = nicsim.terminate();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

// A word goes round the parts, `rounds` times.
void pass_round(Part& part, std::uint32_t parts, std::uint32_t rounds) {
  attach();
  unsigned char* inbox = export_new(4096, 1);
  const Proxy next = import_from((part.number() + 1) % parts, 1);
  for (std::uint32_t round = 1; round <= rounds; ++round) {
    if (part.number() == 0) send_word(round, next.address);
    await(inbox, round);
    if (part.number() != 0) send_word(round, next.address);
  }
  EXPECT(vmmc_finalize() == VMMC_OK);
}

std::vector<std::function<void(Part&)>> ring(std::uint32_t parts, std::uint32_t rounds) {
  return std::vector<std::function<void(Part&)>>(
      parts, [=](Part& part) { pass_round(part, parts, rounds); });
}

// What nicsim writes to its standard error while this lives.
class CaughtLog {
 public:
  CaughtLog() : before_(::dup(2)) {
    const int file = ::open(file_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, 2);
    ::close(file);
  }
  ~CaughtLog() {
    ::dup2(before_, 2);
    ::close(before_);
  }
  CaughtLog(const CaughtLog&) = delete;
  CaughtLog& operator=(const CaughtLog&) = delete;
  std::string text() const {
    std::ifstream file(file_.path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  const TemporaryFile file_;
  const int before_;
};

}  // namespace

TEST_CASE("a job of two is recorded whole, and its replay takes the latency of its messages") {
  constexpr std::uint32_t kRounds = 200;
  const TemporaryFile file;
  NicsimProcess nicsim({"--nodes", "2x2", "--record", file.path});
  run_processes(nicsim, ring(2, kRounds));
  end_well(nicsim);
  const Recording recorded = read(file);
  CHECK(recorded.cut_off.empty());
  CHECK(recorded.header.rows == 2);
  CHECK(recorded.processes == 2);
  CHECK(count(recorded, RecordKind::kAttach) == 2);
  CHECK(count(recorded, RecordKind::kLeave) == 2);
  CHECK(count(recorded, RecordKind::kExport) == 2);
  CHECK(count(recorded, RecordKind::kImport) == 2);
  CHECK(count(recorded, RecordKind::kDeliberateUpdate) == 2 * kRounds);
  CHECK(count(recorded, RecordKind::kWaitForWord) == 2 * kRounds);

  const ReplayResult result = replayed(recorded);
  CHECK(result.messages == 2 * kRounds);
  CHECK(result.bytes == 2 * kRounds * sizeof(std::uint32_t));
  CHECK(result.refused == 0);
  CHECK(result.waits_without_transfer == 0);
  REQUIRE(result.processes.size() == 2);
  // Each way of a word takes 2 to 20 us on any such machine, beside the recorded work.
  double work = 0;
  for (const auto& process : result.processes) {
    work += process.work_ns;
    CHECK(process.recorded_ns > 0);
    CHECK(process.work_ns + process.sending_ns + process.waiting_ns ==
          doctest::Approx(process.simulated_ns));
  }
  CHECK(result.simulated_ns > 2 * kRounds * 2'000.0);
  CHECK(result.simulated_ns < 2 * kRounds * 20'000.0 + work + 1e6);
}

TEST_CASE("a job of four") {
  constexpr std::uint32_t kRounds = 50;
  const TemporaryFile file;
  NicsimProcess nicsim({"--nodes", "4", "--record", file.path});
  run_processes(nicsim, ring(4, kRounds));
  end_well(nicsim);
  const ReplayResult result = replayed(read(file));
  CHECK(result.messages == 4 * kRounds);
  CHECK(result.waits_without_transfer == 0);
  CHECK(result.processes.size() == 4);
}

TEST_CASE("every operation, wait and handler of a program is recorded, by whichever executor") {
  const TemporaryFile file;
  NicsimProcess nicsim({"--record", file.path});
  static std::atomic<int> handled;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           void* memory = allocate(65536);
                           EXPECT(vmmc_export(memory, 65536, 1, nullptr) == VMMC_OK);
                           vmmc_export_options options = VMMC_EXPORT_DEFAULTS;
                           options.handler = [](const vmmc_notification*, void*) { handled = 1; };
                           void* noticed = allocate(4096);
                           EXPECT(vmmc_export(noticed, 4096, 2, &options) == VMMC_OK);
                           part.meet();
                           while (handled == 0) ::usleep(1000);
                           part.meet();
                           const std::uint32_t* word = static_cast<const std::uint32_t*>(memory);
                           EXPECT(vmmc_wait_32(word, VMMC_EQUAL, 77, VMMC_WAIT_BLOCK, 1'000'000) ==
                                  VMMC_ERR_TIMEOUT);
                           part.meet();
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy =
                               import_by(VMMC_EXECUTOR_AUTO, 0, 1, VMMC_READ | VMMC_WRITE);
                           const Proxy noticed = import_from(0, 2);
                           std::vector<char> bytes(60000, 'x');
                           EXPECT(vmmc_send(bytes.data(), proxy.address, bytes.size()) == VMMC_OK);
                           EXPECT(vmmc_compute(123'456) == VMMC_OK);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           EXPECT(vmmc_fetch(bytes.data(), proxy.address, 1000) == VMMC_OK);
                           std::uint64_t previous = 0;
                           EXPECT(vmmc_fetch_add_64(proxy.address + 8, 1, &previous) == VMMC_OK);
                           EXPECT(vmmc_send_notify(bytes.data(), noticed.address, 4, 0) == VMMC_OK);
                           vmmc_counters counters{};
                           EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
                           EXPECT(counters.host_executor_sends == 0);
                           part.meet();
                           part.meet();
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         }});
  end_well(nicsim);
  const Recording recorded = read(file);
  CHECK(count(recorded, RecordKind::kDeliberateUpdate) >= 2);
  CHECK(count(recorded, RecordKind::kFetch) == 1);
  CHECK(count(recorded, RecordKind::kAtomic) == 1);
  CHECK(count(recorded, RecordKind::kHandlerBegins) == 1);
  CHECK(count(recorded, RecordKind::kHandlerEnds) == 1);
  CHECK(count(recorded, RecordKind::kWaitForCompletion) >= 3);
  const auto wait = std::ranges::find(recorded.records, RecordKind::kWaitForWord, &Record::kind);
  REQUIRE(wait != recorded.records.end());
  CHECK((wait->flags & recording::kTimedOut) != 0);
  CHECK(wait->value == 77);
  CHECK(wait->slot >= 1000);
  CHECK(std::ranges::any_of(recorded.records, [](const Record& record) {
    return record.kind == RecordKind::kWaitForCompletion && record.length >= 123'456;
  }));
  const ReplayResult result = replayed(recorded);
  CHECK(result.refused == 0);
  const auto waiter = std::ranges::find(result.processes, 0u, &sim::ReplayedProcess::id);
  REQUIRE(waiter != result.processes.end());
  CHECK(waiter->simulated_ns >= 1'000'000);  // its timeout
}

TEST_CASE("a process that is killed leaves, and the recording goes on") {
  const TemporaryFile file;
  NicsimProcess nicsim({"--record", file.path});
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(4096, 1);
                           part.meet();
                           part.meet();
                           part.die();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy proxy = import_from(0, 1);
                           send_word(1, proxy.address);
                           EXPECT(vmmc_fence() == VMMC_OK);
                           part.meet();
                           std::uint32_t word = 2;
                           while (vmmc_send(&word, proxy.address, 4) == VMMC_OK) ++word;
                           const int fence = vmmc_fence();  // of those that were under way
                           EXPECT(fence == VMMC_OK || fence == VMMC_ERR_PEER_DEAD);
                           export_new(4096, 3);
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         }});
  end_well(nicsim);
  const Recording recorded = read(file);
  CHECK(recorded.cut_off.empty());
  CHECK(count(recorded, RecordKind::kLeave) == 2);
  CHECK(count(recorded, RecordKind::kExport) == 2);  // one of them afterwards
  CHECK(replayed(recorded).processes.size() == 2);
}

TEST_CASE("of a nicsim that is killed everything is read up to the cut") {
  constexpr std::uint32_t kRounds = 3000;
  const TemporaryFile file;
  NicsimProcess nicsim({"--record", file.path});
  run_processes(nicsim, ring(2, kRounds));
  nicsim.kill();
  const Recording recorded = read(file);
  CHECK(recorded.cut_off.find(" is cut off after ") != std::string::npos);
  const ReplayResult result = replayed(recorded);
  CHECK(result.cut_off == recorded.cut_off);
  CHECK(result.messages > 0);
}

TEST_CASE("when the disk is full the run goes on, the log says it and the recording is cut off") {
  constexpr std::uint32_t kRounds = 3000;
  constexpr rlim_t kRoom = 300'000;
  const TemporaryFile file;
  const CaughtLog log;
  NicsimProcess nicsim({"--record", file.path});
  const pid_t pid = nicsim.pid();
  run_processes(nicsim, std::vector<std::function<void(Part&)>>(2, [=](Part& part) {
                  attach();
                  part.meet();  // shared memory is limited like files: first everybody gets his
                  unsigned char* inbox = export_new(4096, 1);
                  const Proxy next = import_from(1 - part.number(), 1);
                  const rlimit limit{kRoom, kRoom};
                  if (part.number() == 0) {
                    EXPECT(::prlimit(pid, RLIMIT_FSIZE, &limit, nullptr) == 0);
                  }
                  part.meet();
                  for (std::uint32_t round = 1; round <= kRounds; ++round) {
                    if (part.number() == 0) send_word(round, next.address);
                    await(inbox, round);
                    if (part.number() != 0) send_word(round, next.address);
                  }
                  EXPECT(vmmc_finalize() == VMMC_OK);
                }));
  end_well(nicsim);
  const std::string said = log.text();
  CHECK(said.find("nicsim: the recording ends here, the run goes on: cannot write " + file.path) !=
        std::string::npos);
  CHECK(std::ranges::count(said, '\n') == 1);
  const Recording recorded = read(file);
  CHECK_FALSE(recorded.cut_off.empty());
  CHECK(recorded.records.size() > 3000);
  CHECK(replayed(recorded).messages > 500);
}
