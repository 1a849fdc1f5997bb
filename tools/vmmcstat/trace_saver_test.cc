// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/trace_saver.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <thread>
#include <vector>

#include "nicsim/wire/trace_record.h"

using namespace vmmc;
using namespace vmmc::stat;
using wire::TraceHeader;
using wire::TraceRecord;

namespace {

// A ring as nicsim has it, written to as nicsim does.
class Ring {
 public:
  explicit Ring(std::uint64_t capacity)
      : bytes_(wire::kTraceHeaderBytes + capacity * sizeof(TraceRecord)),
        file_(::memfd_create("ring", MFD_CLOEXEC)) {
    REQUIRE(::ftruncate(file_.get(), static_cast<off_t>(bytes_)) == 0);
    void* const mapped =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    REQUIRE(mapped != MAP_FAILED);
    data_ = static_cast<std::byte*>(mapped);
    header().magic = wire::kTraceMagic;
    header().version = wire::kTraceVersion;
    header().record_bytes = sizeof(TraceRecord);
    header().capacity = capacity;
    std::strcpy(header().model, "none");
  }
  ~Ring() { ::munmap(data_, bytes_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  TraceHeader& header() { return *reinterpret_cast<TraceHeader*>(data_); }
  TraceRecord& slot(std::uint64_t n) {
    return reinterpret_cast<TraceRecord*>(data_ + wire::kTraceHeaderBytes)[n % header().capacity];
  }
  // Record n says n everywhere.
  void write() {
    const std::uint64_t n = header().written.load(std::memory_order_relaxed);
    TraceRecord& record = slot(n);
    record.sequence.store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::uint64_t* field : {&record.time, &record.operation, &record.length, &record.value}) {
      __atomic_store_n(field, n, __ATOMIC_RELAXED);
    }
    record.sequence.store(n + 1, std::memory_order_release);
    header().written.store(n + 1, std::memory_order_release);
  }
  int descriptor() const { return file_.get(); }

 private:
  std::uint64_t bytes_;
  platform::FileDescriptor file_;
  std::byte* data_;
};

// A directory that goes with the test.
struct Place {
  char directory[64] = "/tmp/trace-saver-XXXXXX";
  std::string name;
  Place() {
    REQUIRE(::mkdtemp(directory) != nullptr);
    name = std::string(directory) + "/trace";
  }
  ~Place() {
    ::unlink(name.c_str());
    ::rmdir(directory);
  }
  bool exists() const {
    struct stat status {};
    return ::stat(name.c_str(), &status) == 0;
  }
  std::vector<std::byte> bytes() const {
    const platform::FileDescriptor file(::open(name.c_str(), O_RDONLY));
    struct stat status {};
    REQUIRE(::fstat(file.get(), &status) == 0);
    std::vector<std::byte> result(static_cast<std::size_t>(status.st_size));
    REQUIRE(::read(file.get(), result.data(), result.size()) == status.st_size);
    return result;
  }
};

SavedTrace save(int ring, const std::string& name, bool overwrite = false) {
  auto file = TraceFile::open(name, overwrite);
  REQUIRE(std::holds_alternative<TraceFile>(file));
  const auto saved = save_trace(ring, std::get<TraceFile>(file));
  REQUIRE(std::holds_alternative<SavedTrace>(saved));
  return std::get<SavedTrace>(saved);
}

// How many good records the file has; those say what they are.
std::uint64_t check_file(const std::vector<std::byte>& bytes, std::uint64_t capacity) {
  REQUIRE(bytes.size() == wire::kTraceHeaderBytes + capacity * sizeof(TraceRecord));
  const auto& header = *reinterpret_cast<const TraceHeader*>(bytes.data());
  CHECK(header.magic == wire::kTraceMagic);
  CHECK(header.capacity == capacity);
  CHECK(std::string(header.model) == "none");
  std::uint64_t good = 0;
  for (std::uint64_t i = 0; i < capacity; ++i) {
    const auto& record =
        reinterpret_cast<const TraceRecord*>(bytes.data() + wire::kTraceHeaderBytes)[i];
    const std::uint64_t sequence = record.sequence.load();
    if (sequence == 0) continue;
    ++good;
    REQUIRE((sequence - 1) % capacity == i);
    REQUIRE(sequence <= header.written.load());
    REQUIRE(record.time == sequence - 1);
    REQUIRE(record.value == sequence - 1);
  }
  return good;
}

}  // namespace

TEST_CASE("a ring that is not full is saved as it is") {
  Place place;
  Ring ring(64);
  for (int i = 0; i < 10; ++i) ring.write();
  const SavedTrace saved = save(ring.descriptor(), place.name);
  CHECK(saved.records == 10);
  CHECK(saved.overwritten == 0);
  CHECK(saved.lost == 0);
  CHECK(check_file(place.bytes(), 64) == 10);
}

TEST_CASE("a ring that has come round is saved with its newest records; an empty one, too") {
  Place place;
  Ring ring(64);
  CHECK(save(ring.descriptor(), place.name).records == 0);
  for (int i = 0; i < 1000; ++i) ring.write();
  const SavedTrace saved = save(ring.descriptor(), place.name, true);
  CHECK(saved.records == 64);
  CHECK(saved.overwritten == 936);
  CHECK(check_file(place.bytes(), 64) == 64);
}

TEST_CASE("records that are not whole are left out and counted") {
  Place place;
  Ring ring(64);
  for (int i = 0; i < 100; ++i) ring.write();
  ring.slot(50).sequence.store(0);
  ring.slot(60).sequence.store(60 + 1 + 64);  // overwritten since
  const SavedTrace saved = save(ring.descriptor(), place.name);
  CHECK(saved.records == 62);
  CHECK(saved.lost == 2);
  CHECK(check_file(place.bytes(), 64) == 62);
}

TEST_CASE("a ring that is being written all the time is saved consistently") {
  Place place;
  Ring ring(256);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) ring.write();
  });
  while (ring.header().written.load() < 1000) std::this_thread::yield();
  for (int i = 0; i < 50; ++i) {
    const SavedTrace saved = save(ring.descriptor(), place.name, true);
    CHECK(saved.records + saved.lost == 256);
    CHECK(check_file(place.bytes(), 256) == saved.records);
  }
  stop = true;
  writer.join();
}

TEST_CASE("what is no ring is refused, and the new file goes") {
  Place place;
  const auto refused = [&](Ring& ring) {
    auto file = TraceFile::open(place.name, false);
    REQUIRE(std::holds_alternative<TraceFile>(file));
    return std::holds_alternative<Failure>(
        save_trace(ring.descriptor(), std::get<TraceFile>(file)));
  };
  Ring magic(64);
  magic.header().magic = 1;
  CHECK(refused(magic));
  Ring capacity(64);
  capacity.header().capacity = 128;
  CHECK(refused(capacity));
  capacity.header().capacity = 3;
  CHECK(refused(capacity));
  Ring version(64);
  version.header().version = 99;
  CHECK(refused(version));
  CHECK_FALSE(place.exists());
}

TEST_CASE("a file that holds something is replaced only if that is asked for") {
  Place place;
  const platform::FileDescriptor file(::open(place.name.c_str(), O_CREAT | O_WRONLY, 0600));
  CHECK(std::holds_alternative<TraceFile>(TraceFile::open(place.name, false)));
  CHECK(place.exists());  // empty, but it was there before
  REQUIRE(::write(file.get(), "x", 1) == 1);
  const auto refused = TraceFile::open(place.name, false);
  REQUIRE(std::holds_alternative<Failure>(refused));
  CHECK(std::get<Failure>(refused).exit_code == kExitFileExists);
  Ring ring(64);
  ring.write();
  CHECK(save(ring.descriptor(), place.name, true).records == 1);
  CHECK(check_file(place.bytes(), 64) == 1);
  const auto nowhere = TraceFile::open("/no/such/place", false);
  REQUIRE(std::holds_alternative<Failure>(nowhere));
  CHECK(std::get<Failure>(nowhere).exit_code == kExitFailure);
  CHECK(std::holds_alternative<Failure>(TraceFile::open("/dev/null", true)));
}
