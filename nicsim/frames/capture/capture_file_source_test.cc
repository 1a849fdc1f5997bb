// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/frames/capture/capture_file_source.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "nicsim/frames/capture/testing/capture_bytes.h"
#include "nicsim/frames/capture/testing/capture_on_disk.h"
#include "nicsim/frames/capture/testing/read_all.h"
#include "platform/system_calls.h"
#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/faults/open_descriptors.h"

namespace vmmc::nicsim {
namespace {

using capture::testing::CaptureOnDisk;
using capture::testing::seen;
using capture::testing::SeenFrame;
using capture::testing::Writer;
using wire::RingPace;
using wire::Status;
using Clock = FrameSource::Clock;

constexpr unsigned kPatience = 30;  // s

std::unique_ptr<FrameSource> open_source(const CaptureOnDisk& file,
                                         RingPace pace = RingPace::kFull) {
  ::alarm(kPatience);
  auto made = CaptureFileSource::open(file.for_reading(), pace);
  REQUIRE(std::holds_alternative<std::unique_ptr<FrameSource>>(made));
  return std::get<std::unique_ptr<FrameSource>>(std::move(made));
}

Status open_status(platform::FileDescriptor file) {
  auto made = CaptureFileSource::open(std::move(file), RingPace::kFull);
  const auto* status = std::get_if<Status>(&made);
  return status != nullptr ? *status : Status::kOk;
}

Status open_status(std::span<const std::byte> bytes) {
  return open_status(CaptureOnDisk(bytes).for_reading());
}

// Until the source ends; sleeps as it says.
std::vector<SeenFrame> take_all(FrameSource& source, std::size_t batch = 64) {
  std::vector<SeenFrame> all;
  std::vector<Frame> frames(batch);
  for (;;) {
    const std::size_t got = source.take(frames);
    for (std::size_t i = 0; i < got; ++i) all.push_back(seen(frames[i]));
    if (got > 0) continue;
    if (source.ended()) return all;
    const auto next = source.next_time();
    if (next != Clock::time_point::max()) std::this_thread::sleep_until(next);
  }
}

Writer pcap_of(std::uint32_t frames) {
  Writer file;
  capture::testing::pcap_header(file);
  for (std::uint32_t i = 0; i < frames; ++i) {
    capture::testing::pcap_record(file, i, 0, "frame " + std::to_string(i), 64);
  }
  return file;
}

TEST_CASE("a file of many windows, frame by frame") {
  constexpr std::uint32_t kFrames = 50'000;
  const CaptureOnDisk file(pcap_of(kFrames).bytes());
  for (const std::size_t batch : {1, 64, 1000}) {
    const auto source = open_source(file);
    CHECK(source->waits_for_room());
    CHECK(source->descriptor() == -1);
    CHECK(source->link_type() == 1);
    CHECK(source->lost() == 0);
    const auto frames = take_all(*source, batch);
    CHECK(source->status() == Status::kOk);
    REQUIRE(frames.size() == kFrames);
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      REQUIRE(frames[i].bytes == "frame " + std::to_string(i));
    }
  }
}

TEST_CASE("blocks longer than the window are not read") {
  Writer file;
  capture::testing::section(file, false);
  capture::testing::block(file, 0x0bad, Writer().raw(std::string(2'000'000, 'x')));
  capture::testing::interface(file, 101);
  capture::testing::block(file, 0x0bad, Writer().raw(std::string(2'000'000, 'x')));
  capture::testing::enhanced_packet(file, 0, 1, "behind", 6);
  const auto source = open_source(CaptureOnDisk(file.bytes()));
  CHECK(source->link_type() == 101);
  CHECK(take_all(*source).size() == 1);
  CHECK(source->status() == Status::kOk);
}

TEST_CASE("a call does not go over a whole file without frames") {
  Writer file;
  capture::testing::section(file, false);
  capture::testing::interface(file);
  const Writer before = file;
  for (int i = 0; i < 400'000; ++i) file.u32(0x0bad).u32(12).u32(12);
  const auto source = open_source(CaptureOnDisk(file.bytes()));
  std::array<Frame, 4> frames;
  CHECK(source->take(frames) == 0);
  CHECK(!source->ended());
  CHECK(source->consumed() > 1'000'000);
  CHECK(source->consumed() < 2'000'000);
  CHECK(take_all(*source).empty());
  CHECK(source->status() == Status::kOk);
}

TEST_CASE("what a source cannot be made of") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  platform::FileDescriptor reading(ends[0]);
  platform::FileDescriptor writing(ends[1]);
  CHECK(open_status(std::move(reading)) == Status::kBadFrameSource);
  const auto open_at = [](const char* name, int flags) {
    return open_status(platform::FileDescriptor(::open(name, flags | O_CLOEXEC)));
  };
  CHECK(open_at("/dev/zero", O_RDONLY) == Status::kBadFrameSource);
  CHECK(open_at("/", O_RDONLY | O_DIRECTORY) == Status::kBadFrameSource);
  CHECK(open_at("/proc/self/exe", O_PATH) == Status::kBadFrameSource);
  CHECK(open_at("/proc/self/exe", O_RDONLY) == Status::kNotACapture);
  // It says that its size is 0, and is not read.
  CHECK(open_at("/proc/self/maps", O_RDONLY) == Status::kNotACapture);
  CHECK(open_status(platform::FileDescriptor()) == Status::kBadFrameSource);
  std::string name = std::string(std::getenv("TEST_TMPDIR")) + "/writingXXXXXX";
  platform::FileDescriptor both(::mkstemp(name.data()));
  CHECK(open_at(name.c_str(), O_WRONLY) == Status::kBadFrameSource);
  ::unlink(name.c_str());
}

TEST_CASE("files that no source is made of") {
  CHECK(open_status(std::span<const std::byte>()) == Status::kNotACapture);
  CHECK(open_status(capture::testing::bytes_of("hello, world")) == Status::kNotACapture);
  const auto pcap = pcap_of(1).bytes();
  CHECK(open_status(std::span(pcap).first(20)) == Status::kTruncatedCapture);
  const auto pcapng = capture::testing::mixed_pcapng();
  CHECK(open_status(std::span(pcapng).first(28)) == Status::kTruncatedCapture);
  Writer no_interface;
  capture::testing::section(no_interface, false);
  capture::testing::enhanced_packet(no_interface, 0, 1, "x", 1);
  CHECK(open_status(no_interface.bytes()) == Status::kCorruptCapture);
}

TEST_CASE("damage is told after the last frame before it") {
  Writer file = pcap_of(100);
  SUBCASE("corrupt") {
    file.u32(1).u32(1).u32(UINT32_MAX).u32(1);
    const auto source = open_source(CaptureOnDisk(file.bytes()));
    CHECK(take_all(*source).size() == 100);
    CHECK(source->status() == Status::kCorruptCapture);
  }
  SUBCASE("cut off") {
    file.bytes().pop_back();
    const auto source = open_source(CaptureOnDisk(file.bytes()));
    CHECK(take_all(*source).size() == 99);
    CHECK(source->status() == Status::kTruncatedCapture);
  }
}

TEST_CASE("a file that changes while it is read") {
  const Writer content = pcap_of(40'000);
  CaptureOnDisk file(content.bytes());
  const auto source = open_source(file);
  std::array<Frame, 10> some;
  REQUIRE(source->take(some) == 10);
  SUBCASE("it grows: more frames") {
    Writer more;
    capture::testing::pcap_record(more, 7, 7, "the last", 8);
    file.append(more.bytes());
    const auto rest = take_all(*source);
    CHECK(rest.size() == 40'000 - 10 + 1);
    CHECK(rest.back().bytes == "the last");
    CHECK(source->status() == Status::kOk);
  }
  SUBCASE("it is cut off") {
    file.cut(500'000);
    CHECK(take_all(*source).size() < 40'000);
    CHECK(source->status() == Status::kTruncatedCapture);
  }
  SUBCASE("it is emptied") {
    file.cut(0);
    CHECK(take_all(*source).size() < 40'000);
    CHECK(source->status() == Status::kTruncatedCapture);
  }
}

TEST_CASE("recorded speed: frames come at the distance of their time stamps, never earlier") {
  Writer file;
  capture::testing::pcap_header(file);
  // ms: 0, 30, 20 (back), 40, 40.
  for (const std::uint32_t stamp : {1000, 1030, 1020, 1040, 1040}) {
    capture::testing::pcap_record(file, 5, stamp * 1000, std::to_string(stamp), 4);
  }
  const auto source = open_source(CaptureOnDisk(file.bytes()), RingPace::kRecorded);
  CHECK(!source->waits_for_room());
  const auto begin = Clock::now();
  std::vector<Clock::duration> after;
  std::vector<std::string> order;
  std::array<Frame, 8> frames;
  while (!source->ended()) {
    const std::size_t got = source->take(frames);
    for (std::size_t i = 0; i < got; ++i) {
      after.push_back(Clock::now() - begin);
      order.push_back(capture::testing::text_of(frames[i].bytes));
    }
    if (got == 0 && !source->ended()) std::this_thread::sleep_until(source->next_time());
  }
  using std::chrono::milliseconds;
  REQUIRE(order == std::vector<std::string>{"1000", "1030", "1020", "1040", "1040"});
  CHECK(after[1] >= milliseconds(30));
  CHECK(after[2] >= milliseconds(30));
  CHECK(after[3] >= milliseconds(50));
  CHECK(after[4] >= milliseconds(50));
  CHECK(source->status() == Status::kOk);
}

TEST_CASE("recorded speed: the first frame comes at once, and an absurd distance is no overflow") {
  Writer file;
  capture::testing::section(file, false);
  capture::testing::interface(file, 1, 0, 9);
  capture::testing::enhanced_packet(file, 0, 1, "a", 1);
  capture::testing::enhanced_packet(file, 0, UINT64_MAX, "b", 1);
  capture::testing::enhanced_packet(file, 0, 1, "c", 1);
  capture::testing::enhanced_packet(file, 0, UINT64_MAX, "d", 1);
  const auto source = open_source(CaptureOnDisk(file.bytes()), RingPace::kRecorded);
  std::array<Frame, 8> frames;
  CHECK(source->take(frames) == 1);
  CHECK(source->take(frames) == 0);
  CHECK(!source->ended());
  CHECK(source->next_time() > Clock::now() + std::chrono::hours(24));
}

// Every other read finds nothing in memory, or the file system cannot tell.
int reads = 0;
int advices = 0;
int refusal = EAGAIN;

platform::SystemCalls reluctant() {
  platform::SystemCalls table = platform::real_system_calls();
  reads = advices = 0;
  table.preadv2 = [](int fd, const iovec* parts, int count, off_t offset, int flags) {
    if (refusal != EAGAIN || reads++ % 2 == 0) {
      errno = refusal;
      return ssize_t{-1};
    }
    return platform::real_system_calls().preadv2(fd, parts, count, offset, flags & ~RWF_NOWAIT);
  };
  table.fadvise = [](int, off_t, off_t, int) { return ++advices * 0; };
  return table;
}

TEST_CASE("what is not in memory is asked for, and comes later") {
  const CaptureOnDisk file(pcap_of(100'000).bytes());
  refusal = EAGAIN;
  const platform::SystemCalls table = reluctant();
  platform::replace_system_calls(&table);
  const auto source = open_source(file);
  std::vector<Frame> frames(64);
  std::size_t total = 0;
  int nothing = 0;
  while (!source->ended()) {
    const std::size_t got = source->take(frames);
    total += got;
    if (got != 0 || source->ended()) continue;
    ++nothing;
    CHECK(source->next_time() != Clock::time_point::max());
  }
  platform::replace_system_calls(nullptr);
  CHECK(total == 100'000);
  CHECK(nothing > 2);
  CHECK(advices > 0);
  CHECK(source->status() == Status::kOk);
}

TEST_CASE("a file system that cannot tell what is in memory") {
  const CaptureOnDisk file(pcap_of(50'000).bytes());
  refusal = EOPNOTSUPP;
  const platform::SystemCalls table = reluctant();
  platform::replace_system_calls(&table);
  CHECK(take_all(*open_source(file)).size() == 50'000);
  platform::replace_system_calls(nullptr);
}

TEST_CASE("a file that another process provides") {
  platform::SystemCalls table = platform::real_system_calls();
  table.fstatfs = [](int, struct statfs* facts) {
    facts->f_type = FUSE_SUPER_MAGIC;
    return 0;
  };
  platform::replace_system_calls(&table);
  const Status status = open_status(pcap_of(1).bytes());
  platform::replace_system_calls(nullptr);
  CHECK(status == Status::kBadFrameSource);
}

TEST_CASE("each system call fails once") {
  const CaptureOnDisk file(pcap_of(30'000).bytes());
  const std::size_t descriptors = tests::count_open_descriptors();
  for (unsigned n = 1;; ++n) {
    tests::FailingSystemCalls faults(n, EIO);
    auto made = CaptureFileSource::open(file.for_reading(), RingPace::kFull);
    if (const auto* status = std::get_if<Status>(&made)) {
      CHECK(*status == Status::kBadFrameSource);
    } else {
      auto& source = *std::get<std::unique_ptr<FrameSource>>(made);
      const std::size_t frames = take_all(source).size();
      if (source.status() == Status::kOk) {
        CHECK(frames == 30'000);
      } else {
        CHECK(source.status() == Status::kFrameSourceGone);
        CHECK(faults.failed_call() != nullptr);
      }
    }
    made = Status::kOk;
    CHECK(tests::count_open_descriptors() == descriptors);
    if (faults.failed_call() == nullptr) break;
  }
}

}  // namespace
}  // namespace vmmc::nicsim
