// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcdump/capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iterator>

#include "tools/vmmcdump/testing/frames.h"

namespace vmmc::dump {
namespace {

using namespace testing;

// Frames that are there already, then an end.
class Frames final : public FrameStream {
 public:
  Frames(int count, int end) : end_(end) {
    for (int i = 0; i < count; ++i) {
      const auto port = static_cast<std::uint16_t>(i % 2 == 0 ? 80 : 53);
      frames_.emplace_back(ethernet(0x0800, ipv4(17, udp(1, port, 10))));
      frames_.back().frame().dropped = 3;
    }
  }
  int next(const vmmc_frame*& frame, std::uint64_t timeout) override {
    if (given_ == frames_.size()) {
      if (timeout != 0 && on_wait) on_wait();
      return end_;
    }
    frame = &frames_[given_++].frame();
    return VMMC_OK;
  }
  vmmc_ring_counters counters() const override {
    vmmc_ring_counters counters{};
    counters.delivered = given_;
    counters.dropped = 7;
    counters.source_dropped = 3;
    return counters;
  }

  std::function<void()> on_wait;

 private:
  std::deque<RingFrame> frames_;
  std::size_t given_ = 0;
  int end_;
};

std::string content_of(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int letter; (letter = std::fgetc(file)) != EOF;) text += static_cast<char>(letter);
  return text;
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

const std::atomic<bool> kGoOn{false};

}  // namespace

TEST_CASE("the end of the source is the end, and everything is counted") {
  Frames frames(10, VMMC_END);
  std::FILE* const lines = std::tmpfile();
  CaptureOptions options;
  options.lines = lines;
  const CaptureEnd end = capture(frames, options, kGoOn);
  CHECK(end.status == VMMC_END);
  CHECK_FALSE(end.output_failed);
  CHECK(end.progress.captured == 10);
  CHECK(end.progress.bytes == 10 * 52);
  CHECK(lines_in(content_of(lines)) == 10);
  CHECK(final_line(end.progress) == "10 frames captured, 7 dropped by ring, 3 by source");
  std::fclose(lines);
}

TEST_CASE("a filter, and a count of what has come through it") {
  auto compiled = FrameFilter::compile("port 53", 1);
  REQUIRE(std::holds_alternative<FrameFilter>(compiled));
  CaptureOptions options;
  options.filter = &std::get<FrameFilter>(compiled);
  Frames all(10, VMMC_END);
  const CaptureEnd end = capture(all, options, kGoOn);
  CHECK(final_line(end.progress) ==
        "5 frames captured, 5 filtered out, 7 dropped by ring, 3 by source");
  options.count = 2;
  Frames some(10, VMMC_END);
  const CaptureEnd counted = capture(some, options, kGoOn);
  CHECK(counted.status == VMMC_OK);
  CHECK(counted.progress.captured == 2);
  CHECK(counted.progress.filtered == 2);
}

TEST_CASE("what was dropped before frames that are filtered out is said with the next one") {
  auto compiled = FrameFilter::compile("port 53", 1);
  REQUIRE(std::holds_alternative<FrameFilter>(compiled));
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/filtered.pcapng";
  auto opened = PacketFile::open(path, true, -1, {});
  REQUIRE(std::holds_alternative<PacketFile>(opened));
  auto& file = std::get<PacketFile>(opened);
  CaptureOptions options;
  options.filter = &std::get<FrameFilter>(compiled);
  options.file = &file;
  Frames frames(10, VMMC_END);
  const CaptureEnd end = capture(frames, options, kGoOn);
  CHECK(end.progress.captured == 5);
  CHECK_FALSE(file.close(end.progress.ring).has_value());
  std::ifstream written(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(written), {}};
  // epb_dropcount: option 4, of 8 bytes: 3 of each of two frames.
  const std::string six("\x04\0\x08\0\x06\0\0\0\0\0\0\0", 12);
  int found = 0;
  for (std::size_t at = 0; (at = content.find(six, at)) != std::string::npos; ++at) ++found;
  CHECK(found == 5);
}

TEST_CASE("what the source ends by is told, with what came before") {
  Frames frames(3, VMMC_ERR_TRUNCATED_CAPTURE);
  const CaptureEnd end = capture(frames, {}, kGoOn);
  CHECK(end.status == VMMC_ERR_TRUNCATED_CAPTURE);
  CHECK(end.progress.captured == 3);
}

TEST_CASE("who asks for the end gets it, and the lines were out before the wait") {
  Frames frames(4, VMMC_ERR_TIMEOUT);
  std::FILE* const lines = std::tmpfile();
  std::atomic<bool> stop{false};
  std::size_t seen = 0;
  frames.on_wait = [&] {
    seen = lines_in(content_of(lines));
    stop = true;
  };
  CaptureOptions options;
  options.lines = lines;
  options.hex = true;
  const CaptureEnd end = capture(frames, options, stop);
  CHECK(end.status == VMMC_OK);
  CHECK(end.progress.captured == 4);
  CHECK(seen == 4 * (1 + 4));  // 52 bytes are 4 lines
  std::fclose(lines);
}

TEST_CASE("an output that fails ends it") {
  Frames frames(100'000, VMMC_ERR_TIMEOUT);
  std::FILE* const full = std::fopen("/dev/full", "w");
  REQUIRE(full != nullptr);
  CaptureOptions options;
  options.lines = full;
  const CaptureEnd end = capture(frames, options, kGoOn);
  CHECK(end.output_failed);
  CHECK(end.progress.captured < 100'000);
  std::fclose(full);
}

TEST_CASE("the live line") {
  Progress before;
  before.captured = 1000;
  before.bytes = 1'000'000;
  Progress now = before;
  now.captured = 3000;
  now.bytes = 4'000'000;
  now.ring.dropped = 5;
  now.ring.source_dropped = 6;
  CHECK(live_line(before, now, 2) ==
        "3000 frames, 1000 frames/s, 1.5 MB/s, dropped 5 by ring, 6 by source");
  CHECK(live_line(now, now, 1) ==
        "3000 frames, 0 frames/s, 0.0 kB/s, dropped 5 by ring, 6 by source");
  now.bytes += 3'000'000'000;
  CHECK(live_line(before, now, 1).find("3.00 GB/s") != std::string::npos);
  Progress one;
  one.captured = 1;
  CHECK(final_line(one) == "1 frame captured, 0 dropped by ring, 0 by source");
}

}  // namespace vmmc::dump
