// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/trace/trace.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "nicsim/trace/trace_file.h"
#include "nicsim/wire/control.h"
#include "nicsim/wire/simulated_time.h"
#include "platform/system_calls.h"

using namespace vmmc;
using nicsim::Trace;
using nicsim::TraceEntry;
using wire::TraceEngine;
using wire::TraceEvent;
using wire::TraceHeader;
using wire::TraceRecord;

namespace {

struct TemporaryFile {
  TemporaryFile() {
    const char* folder = std::getenv("TEST_TMPDIR");
    path = std::string(folder == nullptr ? "/tmp" : folder) + "/trace-XXXXXX";
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  platform::FileDescriptor open() const {
    auto opened = nicsim::open_trace_file(path, false);
    REQUIRE(std::holds_alternative<platform::FileDescriptor>(opened));
    return std::move(std::get<platform::FileDescriptor>(opened));
  }
  std::string path;
};

// A mapping to read by, of a ring or of a file.
class View {
 public:
  explicit View(int fd) {
    struct stat status {};
    REQUIRE(::fstat(fd, &status) == 0);
    bytes_ = static_cast<std::size_t>(status.st_size);
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    memory_ = static_cast<const char*>(memory);
  }
  ~View() { ::munmap(const_cast<char*>(memory_), bytes_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const TraceHeader& header() const { return *reinterpret_cast<const TraceHeader*>(memory_); }
  const TraceRecord& slot(std::uint64_t n) const {
    return reinterpret_cast<const TraceRecord*>(memory_ + wire::kTraceHeaderBytes)[n];
  }
  std::uint64_t slots() const { return (bytes_ - wire::kTraceHeaderBytes) / sizeof(TraceRecord); }
  // How many slots hold the record that belongs there, of all that can be there now; each must hold what
  // numbered() has written.
  std::uint64_t good() const {
    std::uint64_t good = 0;
    for (std::uint64_t i = 0; i < slots(); ++i) {
      const std::uint64_t sequence = slot(i).sequence.load();
      if (sequence == 0 || (sequence - 1) % header().capacity != i) continue;
      CHECK(slot(i).value == sequence - 1);
      CHECK(slot(i).time == 3 * (sequence - 1));
      ++good;
    }
    return good;
  }

 private:
  const char* memory_;
  std::size_t bytes_;
};

View view_of(const TemporaryFile& file) {
  const platform::FileDescriptor fd(::open(file.path.c_str(), O_RDONLY));
  return View(fd.get());
}

TraceEntry numbered(std::uint64_t n) {
  return {
      .event = TraceEvent::kTaken, .engine = TraceEngine::kProcessor, .time = 3 * n, .value = n};
}

void write_numbered(Trace& trace, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) trace.write(numbered(trace.written()));
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

}  // namespace

TEST_CASE("a trace that is off writes nothing, and can be read from only after it has been on") {
  Trace trace;
  CHECK_FALSE(trace.on());
  trace.write(numbered(0));
  trace.save();
  trace.stop();
  CHECK(trace.written() == 0);
  CHECK(trace.capacity() == 0);
  CHECK(trace.find(0) == nullptr);
  CHECK_FALSE(trace.readable_copy().valid());
  REQUIRE(trace.start(1) == 0);
  CHECK(trace.on());
  CHECK(trace.capacity() == Trace::kLeastRecords);
  CHECK(trace.start(1) == EALREADY);
  write_numbered(trace, 3);
  trace.stop();
  CHECK_FALSE(trace.on());
  write_numbered(trace, 1);
  CHECK(trace.written() == 3);
  REQUIRE(trace.find(2) != nullptr);
  CHECK(trace.find(2)->value == 2);
  CHECK(trace.find(3) == nullptr);
  CHECK(View(trace.readable_copy().get()).good() == 3);
  REQUIRE(trace.start(Trace::kLeastRecords + 1) == 0);  // a new, empty one
  CHECK(trace.written() == 0);
  CHECK(trace.capacity() == 2 * Trace::kLeastRecords);
  CHECK(trace.find(0) == nullptr);
}

TEST_CASE("the header says what the machine is, and a record what it was given") {
  Trace trace;
  std::uint64_t clock = 1'000'000;
  trace.describe({.clock = wire::kSimulatedTime,
                  .rows = 2,
                  .columns = 3,
                  .model = std::string(100, 'm'),
                  .now = [&] { return clock; }});
  REQUIRE(trace.start(Trace::kLeastRecords) == 0);
  CHECK(trace.now() == 1'000'000);  // simulated time as it is
  std::byte content[50];
  std::memset(content, 7, sizeof content);
  trace.write({.event = TraceEvent::kMemoryWritten,
               .engine = TraceEngine::kIncomingDmaEngine,
               .kind = 1,
               .flags = 2,
               .time = 3,
               .duration = 4,
               .operation = 5,
               .packet = 6,
               .status = -61,
               .node = 8,
               .peer = 9,
               .process = 10,
               .peer_process = 11,
               .buffer = 12,
               .page = 13,
               .length = 14,
               .offset = 15,
               .value = 16,
               .content = content});
  trace.write({.event = TraceEvent::kLeft, .engine = TraceEngine::kControlServer});
  const View view(trace.readable_copy().get());
  CHECK(view.header().magic == wire::kTraceMagic);
  CHECK(view.header().version == wire::kTraceVersion);
  CHECK(view.header().clock == wire::kSimulatedTime);
  CHECK(view.header().record_bytes == 128);
  CHECK(view.header().capacity == Trace::kLeastRecords);
  CHECK(view.header().written == 2);
  CHECK(view.header().rows == 2);
  CHECK(view.header().columns == 3);
  CHECK(std::string(view.header().model) == std::string(63, 'm'));
  const TraceRecord& record = view.slot(0);
  CHECK(record.event == TraceEvent::kMemoryWritten);
  CHECK(record.engine == TraceEngine::kIncomingDmaEngine);
  CHECK((record.kind == 1 && record.flags == 2 && record.time == 3 && record.duration == 4));
  CHECK((record.operation == 5 && record.packet == 6 && record.status == -61));
  CHECK((record.node == 8 && record.peer == 9 && record.process == 10));
  CHECK((record.peer_process == 11 && record.buffer == 12 && record.page == 13));
  CHECK((record.length == 14 && record.offset == 15 && record.value == 16));
  CHECK(record.content_bytes == wire::kTraceContentBytes);
  CHECK(std::memcmp(record.content, content, wire::kTraceContentBytes) == 0);
  CHECK(view.slot(1).process == wire::kAnyProcess);
  CHECK(view.slot(1).content_bytes == 0);
}

TEST_CASE("real time counts from the start of the trace") {
  Trace trace;
  REQUIRE(trace.start(1) == 0);
  const std::uint64_t first = trace.now();
  CHECK(trace.now() >= first);
  CHECK(first < 60ull * 1'000'000'000'000);  // a minute, on whatever machine
}

TEST_CASE("a full ring keeps the last records; a slot that is being written holds none of them") {
  Trace trace;
  REQUIRE(trace.start(1) == 0);
  const std::uint64_t capacity = trace.capacity();
  write_numbered(trace, capacity + 10);
  CHECK(trace.written() == capacity + 10);
  CHECK(trace.find(9) == nullptr);
  CHECK(trace.find(10)->sequence == 11);
  CHECK(trace.find(capacity + 9)->value == capacity + 9);
  const View view(trace.readable_copy().get());
  CHECK(view.header().written == capacity + 10);
  CHECK(view.good() == capacity);
  CHECK(view.slot(9).sequence == capacity + 10);
  CHECK(view.slot(10).sequence == 11);
  // As a writer leaves it that was killed in the middle of a record.
  const_cast<TraceRecord*>(trace.find(20))->sequence.store(0);
  CHECK(view.good() == capacity - 1);
}

TEST_CASE("there are limits to what a ring may take") {
  Trace trace;
  CHECK(trace.start(Trace::kMostRecords + 1) == ENOMEM);
  CHECK_FALSE(trace.on());
  static platform::SystemCalls failing = platform::real_system_calls();
  failing.memfd_create = [](const char*, unsigned) {
    errno = EMFILE;
    return -1;
  };
  platform::replace_system_calls(&failing);
  CHECK(trace.start(1) == EMFILE);
  platform::replace_system_calls(nullptr);
  CHECK_FALSE(trace.on());
  CHECK(trace.start(1) == 0);
}

TEST_CASE("whoever has a copy can read the ring and not write it") {
  Trace trace;
  REQUIRE(trace.start(1) == 0);
  const platform::FileDescriptor copy = trace.readable_copy();
  REQUIRE(copy.valid());
  CHECK(::write(copy.get(), "x", 1) < 0);
  const auto writable = [](int fd) {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED;
  };
  CHECK_FALSE(writable(copy.get()));
  CHECK(::ftruncate(copy.get(), 0) != 0);
  // Not even if it opens it anew.
  const std::string path = "/proc/self/fd/" + std::to_string(copy.get());
  const platform::FileDescriptor again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (again.valid()) {
    CHECK(::pwrite(again.get(), "x", 1, 0) < 0);
    CHECK_FALSE(writable(again.get()));
  }
  write_numbered(trace, 5);  // the writer can
  CHECK(View(copy.get()).good() == 5);
}

TEST_CASE("another process reads while records are written, and sees none that is torn") {
  Trace trace;
  REQUIRE(trace.start(1) == 0);
  const platform::FileDescriptor copy = trace.readable_copy();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    const View view(copy.get());
    std::uint64_t seen = 0;
    for (std::uint64_t last = 0; last < 300'000;) {
      const std::uint64_t written = view.header().written.load(std::memory_order_acquire);
      for (std::uint64_t n = last; n < written; ++n) {
        const TraceRecord& slot = view.slot(n % view.header().capacity);
        if (slot.sequence.load(std::memory_order_acquire) != n + 1) continue;
        TraceRecord record;
        std::memcpy(static_cast<void*>(&record), &slot, sizeof record);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (slot.sequence.load(std::memory_order_relaxed) != n + 1) continue;
        if (record.value != n || record.time != 3 * n) ::_exit(1);
        ++seen;
      }
      last = written;
    }
    ::_exit(seen > 0 ? 0 : 2);
  }
  // Until the reader has got there: it may begin late.
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) write_numbered(trace, 1000);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("the file is the ring, up to the last save") {
  const TemporaryFile file;
  Trace trace;
  REQUIRE(trace.start(1, file.open()) == 0);
  const std::uint64_t capacity = trace.capacity();
  CHECK(view_of(file).header().written == 0);
  write_numbered(trace, 10);
  trace.save();
  trace.save();
  CHECK(view_of(file).header().written == 10);
  CHECK(view_of(file).good() == 10);
  write_numbered(trace, 5);
  CHECK(view_of(file).header().written == 10);
  SUBCASE("stop saves the rest") {
    trace.stop();
    CHECK(view_of(file).header().written == 15);
    CHECK(view_of(file).good() == 15);
  }
  SUBCASE("and so does what would overwrite it") {
    write_numbered(trace, 3 * capacity);
    const View view = view_of(file);
    CHECK(view.header().written > 2 * capacity);
    CHECK(view.good() == capacity);
    trace.save();
    CHECK(view_of(file).header().written == 3 * capacity + 15);
    CHECK(view_of(file).good() == capacity);
  }
}

TEST_CASE("whoever saves at every pause does not write at every pause") {
  const TemporaryFile file;
  Trace trace;
  CHECK(trace.save_seldom() == Trace::Clock::time_point::max());
  REQUIRE(trace.start(1 << 15, file.open()) == 0);
  CHECK(trace.save_seldom() == Trace::Clock::time_point::max());
  const auto in_file = [&] { return view_of(file).header().written.load(); };
  const auto begun = Trace::Clock::now();
  write_numbered(trace, 1);
  CHECK(trace.save_seldom() == Trace::Clock::time_point::max());
  CHECK(in_file() == 1);
  write_numbered(trace, 1);
  const auto due = trace.save_seldom();
  if (due != Trace::Clock::time_point::max()) {  // else this test was kept waiting
    CHECK(due >= begun + Trace::kSaveInterval);
    CHECK(due <= Trace::Clock::now() + Trace::kSaveInterval);
    SUBCASE("in time") {
      std::this_thread::sleep_until(due);
      CHECK(trace.save_seldom() == Trace::Clock::time_point::max());
      CHECK(in_file() == 2);
    }
    SUBCASE("many records") {
      write_numbered(trace, Trace::kSaveRecords);
      CHECK(trace.save_seldom() == Trace::Clock::time_point::max());
      CHECK(in_file() == 2 + Trace::kSaveRecords);
    }
    SUBCASE("the end") {
      trace.stop();
      CHECK(in_file() == 2);
    }
  }
}

TEST_CASE("pauses that follow each other closely are not saved one by one") {
  const TemporaryFile file;
  Trace trace;
  REQUIRE(trace.start(1 << 15, file.open()) == 0);
  int saved = 0;
  const auto since = Trace::Clock::now();
  for (int i = 0; i < 2000; ++i) {
    write_numbered(trace, 1);
    if (trace.save_seldom() == Trace::Clock::time_point::max()) ++saved;
  }
  CHECK(saved <= 2 + (Trace::Clock::now() - since) / Trace::kSaveInterval);
}

TEST_CASE("what a killed writer leaves can be read") {
  const TemporaryFile file;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    Trace trace;
    if (trace.start(1, file.open()) != 0) ::_exit(1);
    for (;;) {
      write_numbered(trace, 777);
      trace.save();
      (void)!::write(ends[1], "w", 1);
    }
  }
  char byte = 0;
  for (int i = 0; i < 10; ++i) REQUIRE(::read(ends[0], &byte, 1) == 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  const View view = view_of(file);
  CHECK(view.header().magic == wire::kTraceMagic);
  CHECK(view.header().written >= 7770);
  CHECK(view.slots() == view.header().capacity);
  CHECK(view.good() == view.header().capacity);
}

TEST_CASE("a full disk ends the file, and nothing else") {
  const TemporaryFile file;
  Trace trace;
  REQUIRE(trace.start(1, file.open()) == 0);
  const rlim_t room = wire::kTraceHeaderBytes + 100 * sizeof(TraceRecord) + 60;
  {
    const Limit limit(room);
    write_numbered(trace, 90);
    trace.save();
    write_numbered(trace, 90);
    trace.save();
  }
  write_numbered(trace, 20);
  trace.save();
  CHECK(trace.written() == 200);
  CHECK(View(trace.readable_copy().get()).good() == 200);
  const View view = view_of(file);
  CHECK(view.header().written == 90);
  CHECK(view.good() == 100);  // whole ones, though the header does not count them
}

TEST_CASE("a file that is new is for nobody else: it holds bytes of every packet") {
  TemporaryFile file;
  REQUIRE(::unlink(file.path.c_str()) == 0);
  const auto opened = file.open();
  struct stat status {};
  REQUIRE(::fstat(opened.get(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("only a new or an empty regular file is traced to, unless it may be replaced") {
  const TemporaryFile file;
  {
    const platform::FileDescriptor fd = file.open();
    REQUIRE(::write(fd.get(), "xyz", 3) == 3);
  }
  CHECK(std::get<std::string>(nicsim::open_trace_file(file.path, false)) ==
        "cannot trace to " + file.path + ": it is not empty; --trace-overwrite replaces it");
  auto replaced = nicsim::open_trace_file(file.path, true);
  REQUIRE(std::holds_alternative<platform::FileDescriptor>(replaced));
  Trace trace;
  REQUIRE(trace.start(1, std::move(std::get<platform::FileDescriptor>(replaced))) == 0);
  CHECK(view_of(file).header().magic == wire::kTraceMagic);
  CHECK(std::get<std::string>(nicsim::open_trace_file("/dev/null", true)) ==
        "cannot trace to /dev/null: it is no regular file");
  CHECK(std::get<std::string>(nicsim::open_trace_file("/nowhere/at/all", false)) ==
        "cannot trace to /nowhere/at/all: No such file or directory");
}
