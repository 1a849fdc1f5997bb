// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Programs under nicsim --trace: what the file holds when nicsim has ended, or was killed.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nicsim/wire/send_descriptor.h"
#include "nicsim/wire/trace_record.h"
#include "tests/conformance/automatic_update.h"
#include "tests/conformance/conformance.h"
#include "vmmc/remote_access.h"

using namespace vmmc::testing;
using vmmc::wire::TraceEvent;
using vmmc::wire::TraceHeader;
using vmmc::wire::TraceRecord;
using enum vmmc::wire::TraceEvent;

namespace {

constexpr std::size_t kPageBytes = 4096;

struct TemporaryFile {
  TemporaryFile() : path("/tmp/trace-" + random_name()) {}
  ~TemporaryFile() { ::unlink(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string path;
};

// The file as it is now.
class TraceFile {
 public:
  explicit TraceFile(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0);
    struct stat status {};
    REQUIRE(::fstat(file, &status) == 0);
    bytes_ = static_cast<std::size_t>(status.st_size);
    REQUIRE(bytes_ >= vmmc::wire::kTraceHeaderBytes);
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    REQUIRE(memory != MAP_FAILED);
    memory_ = static_cast<const char*>(memory);
  }
  ~TraceFile() { ::munmap(const_cast<char*>(memory_), bytes_); }
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  const TraceHeader& header() const { return *reinterpret_cast<const TraceHeader*>(memory_); }
  const TraceRecord& record(std::uint64_t n) const {
    const auto* const records =
        reinterpret_cast<const TraceRecord*>(memory_ + vmmc::wire::kTraceHeaderBytes);
    return records[n % header().capacity];
  }
  // All of them: the ring was large enough.
  std::vector<const TraceRecord*> records() const {
    std::vector<const TraceRecord*> result;
    REQUIRE(header().magic == vmmc::wire::kTraceMagic);
    REQUIRE(header().written <= header().capacity);
    for (std::uint64_t n = 0; n < header().written; ++n) {
      REQUIRE(record(n).sequence == n + 1);
      result.push_back(&record(n));
    }
    return result;
  }
  std::size_t count(TraceEvent event) const {
    std::size_t number = 0;
    for (const auto* each : records()) number += each->event == event ? 1 : 0;
    return number;
  }

 private:
  const char* memory_;
  std::size_t bytes_;
};

// Each operation is taken and completed once, and each of its packets seen once at each place, until all
// of its bytes are there.
void check_operations(const TraceFile& file, std::size_t operations) {
  struct Seen {
    int taken = 0;
    int completed = 0;
    std::uint64_t length = 0;
    std::uint64_t arrived = 0;
    std::map<TraceEvent, std::multiset<std::uint32_t>> packets;
  };
  std::map<std::uint64_t, Seen> seen;
  for (const auto* record : file.records()) {
    const bool flush = record->kind == static_cast<std::uint8_t>(vmmc::wire::Operation::kFlush);
    if (record->operation == 0 || flush) continue;
    Seen& operation = seen[record->operation];
    if (record->event == kTaken) {
      ++operation.taken;
      operation.length = record->length;
    } else if (record->event == kCompleted) {
      ++operation.completed;
      CHECK(record->status == 0);
    } else if (record->event != kNotified && record->event != kInterrupt) {
      operation.packets[record->event].insert(record->packet);
    }
    if (record->event == kMemoryWritten) operation.arrived += record->length;
  }
  CHECK(seen.size() == operations);
  for (const auto& entry : seen) {
    const auto& operation = entry.second;
    CAPTURE(entry.first);
    CHECK(operation.taken == 1);
    CHECK(operation.completed == 1);
    CHECK(operation.arrived == operation.length);
    const auto& made = operation.packets.at(kPacketMade);
    CHECK(*made.rbegin() == made.size() - 1);
    CHECK(std::set(made.begin(), made.end()).size() == made.size());
    for (const auto event : {kPacketSent, kIncomingLookup, kMemoryWritten}) {
      CHECK(operation.packets.at(event) == made);
    }
  }
}

constexpr std::uint32_t kSends = 40;

std::size_t length_of(std::uint32_t send) { return send % 5 == 0 ? 9000 : 8 * (send % 7 + 1); }

// Part 1 sends, part 0 waits for the last word.
void exchange(Part& part) {
  attach();
  unsigned char* const mine = export_new(4 * kPageBytes, 1);
  const Proxy there = import_by(VMMC_EXECUTOR_AUTO, 1 - part.number(), 1, VMMC_READ | VMMC_WRITE);
  part.meet();  // else one may have left before the other has imported
  constexpr std::size_t kFlag = 3 * kPageBytes;
  if (part.number() == 1) {
    auto* const from = static_cast<unsigned char*>(allocate(4 * kPageBytes));
    std::memset(from, 0x21, 4 * kPageBytes);
    for (std::uint32_t i = 0; i < kSends; ++i) {
      EXPECT(vmmc_send(from, there.address, length_of(i)) == VMMC_OK);
    }
    const std::uint64_t last = 1;
    EXPECT(vmmc_send(&last, there.address + kFlag, sizeof last) == VMMC_OK);
    EXPECT(vmmc_fence() == VMMC_OK);
    vmmc_counters counters{};
    EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
    EXPECT(counters.nic_executor_sends >= kSends + 1);  // flushes count, too
    EXPECT(counters.host_executor_sends == 0);
  } else {
    const auto* const flag = reinterpret_cast<const std::uint64_t*>(mine + kFlag);
    EXPECT(vmmc_wait_64(flag, VMMC_EQUAL, 1, VMMC_WAIT_ADAPTIVE, 30 * kSecond) == VMMC_OK);
    EXPECT(mine[8999] == 0x21);
  }
  EXPECT(vmmc_finalize() == VMMC_OK);
}

void end_well(NicsimProcess& nicsim) {
  const int status = nicsim.terminate();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace

TEST_CASE("real time: every packet once; nobody has the host executor") {
  const TemporaryFile file;
  NicsimProcess nicsim({"--nodes", "1x2", "--trace", file.path});
  run_processes(nicsim, {exchange, exchange});
  end_well(nicsim);
  const TraceFile trace(file.path);
  CHECK(trace.header().clock == 0);
  CHECK((trace.header().rows == 1 && trace.header().columns == 2));
  CHECK(std::string(trace.header().model) == "none");
  CHECK(trace.count(kAttached) == 2);
  CHECK(trace.count(kLeft) == 2);
  CHECK(trace.count(kExported) == 2);
  CHECK(trace.count(kImported) == 2);
  check_operations(trace, kSends + 1);
  std::uint64_t last = 0;
  for (const auto* record : trace.records()) {
    if (record->event == kTaken) {
      CHECK(record->time >= last);
      last = record->time;
    }
  }
}

TEST_CASE("simulated time: the same operations, and every part of the hardware") {
  const TemporaryFile file;
  NicsimProcess nicsim({"--nodes", "1x2", "--model", "shrimp-2", "--expect", "2", "--trace",
                        file.path, "--trace-records", "65536"});
  run_processes(nicsim, {exchange, exchange});
  end_well(nicsim);
  const TraceFile trace(file.path);
  CHECK(trace.header().clock == 1);
  CHECK(trace.header().capacity == 65536);
  CHECK(std::string(trace.header().model) == "shrimp-2");
  check_operations(trace, kSends + 1);
  CHECK(trace.count(kSourceRead) == trace.count(kPacketMade));
  CHECK(trace.count(kPacketCrossed) == trace.count(kPacketMade));
}

TEST_CASE("without a trace the same program uses the host executor") {
  NicsimProcess nicsim({"--nodes", "1x2"});
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           export_new(4 * kPageBytes, 1);
                           part.meet();
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy there =
                               import_by(VMMC_EXECUTOR_AUTO, 0, 1, VMMC_READ | VMMC_WRITE);
                           const std::uint64_t word = 1;
                           EXPECT(vmmc_send(&word, there.address, sizeof word) == VMMC_OK);
                           vmmc_counters counters{};
                           EXPECT(vmmc_get_counters(&counters) == VMMC_OK);
                           EXPECT(counters.host_executor_sends == 1);
                           part.meet();
                         }});
}

TEST_CASE("what a killed nicsim leaves can be read, up to its last pause") {
  const TemporaryFile file;
  NicsimProcess nicsim({"--nodes", "1x2", "--trace", file.path});
  run_processes(nicsim, {exchange, exchange});
  // It has paused when the last one has left, or soon after.
  for (int i = 0; i < 3000 && TraceFile(file.path).count(kLeft) < 2; ++i) ::usleep(10'000);
  nicsim.kill();
  check_operations(TraceFile(file.path), kSends + 1);
}

// With shared capture the bound pages are the remote ones: there is no transfer to see, trace or not.
TEST_CASE("stores to a shared binding stay unseen, and arrive") {
  const TemporaryFile file;
  NicsimProcess nicsim({"--nodes", "1x2", "--trace", file.path});
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           unsigned char* const memory = export_new(kPageBytes, 1);
                           part.meet();
                           part.meet();
                           EXPECT(word_at<std::uint64_t>(memory, 64) == 4711);
                           part.meet();
                           part.meet();  // unbound
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           const Proxy there =
                               import_by(VMMC_EXECUTOR_AUTO, 0, 1, VMMC_READ | VMMC_WRITE);
                           void* const local = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE,
                                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                           EXPECT(local != MAP_FAILED);
                           vmmc_binding* const binding =
                               bind(local, there.address, kPageBytes,
                                    bind_options(VMMC_CAPTURE_SHARED, VMMC_COMBINE_TIMER));
                           word_at<std::uint64_t>(static_cast<unsigned char*>(local), 64) = 4711;
                           EXPECT(vmmc_fence() == VMMC_OK);
                           part.meet();
                           part.meet();
                           EXPECT(vmmc_unbind(binding) == VMMC_OK);
                           part.meet();
                           EXPECT(vmmc_finalize() == VMMC_OK);
                         }});
  end_well(nicsim);
  const TraceFile trace(file.path);
  CHECK(trace.count(kImported) == 1);
  CHECK(trace.count(kTaken) == 0);
}
