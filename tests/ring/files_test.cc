// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Rings of capture files, with one consumer.

#include <doctest/doctest.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "tests/ring/ring_run.h"
#include "vmmc/ring.hpp"

using namespace vmmc::testing;

namespace {

std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

int open_with(const vmmc_ring_options& options) {
  return status_of_open(CaptureFile::numbered(3), options);
}

}  // namespace

TEST_CASE("S13.1 what makes no ring is refused") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  vmmc_ring_options options = small_ring(1);
                  EXPECT(open_with(options) == VMMC_ERR_BAD_RING);
                  options = small_ring(4097);
                  EXPECT(open_with(options) == VMMC_ERR_BAD_RING);
                  options = small_ring(4);
                  options.block_bytes = 4097;
                  EXPECT(open_with(options) == VMMC_ERR_BAD_RING);
                  options = small_ring(4);
                  options.snap_length = 0;
                  EXPECT(open_with(options) == VMMC_ERR_BAD_RING);
                  options.snap_length = 4096;  // and no room for the headers
                  EXPECT(open_with(options) == VMMC_ERR_BAD_RING);
                  options = small_ring(4096);
                  options.block_bytes = 1 << 20;
                  EXPECT(open_with(options) == VMMC_ERR_BAD_RING);
                  options = small_ring(4);
                  options.sharing = 2;
                  EXPECT(open_with(options) == VMMC_ERR_INVALID_ARGUMENT);
                  EXPECT(open_with(small_ring(4)) == VMMC_OK);
                }});
}

TEST_CASE("S13.1 an id is one ring's, and free again when that is closed") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        vmmc_ring* ring = open_file(CaptureFile::numbered(3), small_ring(4), 7);
        vmmc_ring* other = nullptr;
        const int fd = CaptureFile::numbered(3).write();
        EXPECT(vmmc_ring_open_file(fd, 7, nullptr, &other) == VMMC_ERR_DUPLICATE_ID);
        EXPECT(vmmc_ring_close(ring) == VMMC_OK);
        EXPECT(vmmc_ring_open_file(fd, 7, nullptr, &other) == VMMC_OK);
        EXPECT(vmmc_ring_open_file(fd, 8, nullptr, nullptr) == VMMC_ERR_INVALID_ARGUMENT);
        EXPECT(vmmc_ring_open_file(-1, 8, nullptr, &ring) == VMMC_ERR_BAD_FRAME_SOURCE);
        int ends[2];
        EXPECT(::pipe(ends) == 0);
        EXPECT(vmmc_ring_open_file(ends[0], 8, nullptr, &ring) == VMMC_ERR_BAD_FRAME_SOURCE);
        EXPECT(vmmc_ring_close(other) == VMMC_OK);
      }});
}

TEST_CASE("S13.1 in simulated time there are no rings") {
  NicsimProcess nicsim({"--model", "shrimp-2"});
  run_processes(nicsim, {[](Part&) {
                  attach();
                  EXPECT(status_of_open(CaptureFile::numbered(3), small_ring(4)) ==
                         VMMC_ERR_NOT_IN_SIMULATED_TIME);
                  vmmc_ring* ring = nullptr;
                  EXPECT(vmmc_ring_join(vmmc_self(), 1, &ring) == VMMC_ERR_NOT_IN_SIMULATED_TIME);
                }});
}

TEST_CASE("S13.2 S13.4 all frames of a file in order, with their content; nothing is lost") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[](Part&) {
        attach();
        constexpr std::uint64_t kFrames = 100'000;
        vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), small_ring(4));
        std::uint32_t link_type = 0;
        EXPECT(vmmc_ring_link_type(ring, &link_type) == VMMC_OK);
        EXPECT(link_type == 1);
        std::uint64_t expected = 0;
        EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
                 EXPECT(frame.captured == kFrameBytes);
                 EXPECT(frame.length == kFrameBytes);
                 EXPECT(frame.time == kFirstTime + expected * 1000);
                 EXPECT(frame.link_type == 1);
                 EXPECT(frame.dropped == 0);
                 EXPECT(frame.flags == 0);
                 const auto content = numbered_frame(expected, 0, expected % 2 == 1);
                 EXPECT(std::memcmp(vmmc_frame_data(&frame), content.data(), kFrameBytes) == 0);
                 ++expected;
               }) == VMMC_END);
        EXPECT(expected == kFrames);
        const vmmc_ring_counters counters = counters_of(ring);
        EXPECT(counters.delivered == kFrames);
        EXPECT(counters.delivered_bytes == kFrames * kFrameBytes);
        EXPECT(counters.dropped == 0);
        EXPECT(vmmc_ring_close(ring) == VMMC_OK);
      }});
}

TEST_CASE("S13.2 frames longer than the snap length are cut, and say so") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  CaptureFile file;
                  const std::vector<unsigned char> data(1000, 5);
                  file.add(kFirstTime, data.data(), 1000, 1000);
                  file.add(kFirstTime, data.data(), 50, 1000);  // cut by whoever wrote the file
                  file.add(kFirstTime, data.data(), 0, 0);
                  vmmc_ring_options options = small_ring(4);
                  options.snap_length = 100;
                  vmmc_ring* ring = open_file(file, options);
                  const std::uint32_t captured[] = {100, 50, 0};
                  std::size_t number = 0;
                  EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
                           EXPECT(number < 3);
                           EXPECT(frame.captured == captured[number]);
                           EXPECT(frame.length == (number == 2 ? 0u : 1000u));
                           EXPECT(((frame.flags & VMMC_FRAME_CUT) != 0) == (number != 2));
                           ++number;
                         }) == VMMC_END);
                  EXPECT(number == 3);
                }});
}

TEST_CASE("S13.2 the owners of vmmc/ring.hpp see the same") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  auto opened =
                      vmmc::ring::open_file(CaptureFile::numbered(500).write(), 1, small_ring(4));
                  EXPECT(opened.has_value());
                  vmmc::ring ring = std::move(*opened);
                  std::uint64_t expected = 0;
                  for (const vmmc::frame& frame : ring) {
                    EXPECT(frame.data().size() == kFrameBytes);
                    EXPECT(number_of(frame.header()) == expected);
                    if (++expected == 300) break;
                  }
                  while (true) {
                    const auto frame = ring.next();
                    if (!frame) {
                      EXPECT(frame.error() == VMMC_END);
                      break;
                    }
                    EXPECT(number_of(frame->header()) == expected++);
                  }
                  EXPECT(expected == 500);
                  EXPECT(ring.counters()->delivered == 500);
                  EXPECT(ring.link_type() == 1);
                }});
}

TEST_CASE("S13.3 blocks that are kept, and given back in another order") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  constexpr std::uint64_t kFrames = 2000;
                  vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), small_ring(6));
                  std::vector<vmmc_block> kept;
                  std::uint64_t expected = 0;
                  vmmc_block block{};
                  int status = VMMC_OK;
                  while ((status = vmmc_ring_take_block(ring, &block, kPatience)) == VMMC_OK) {
                    std::uint32_t frames = 0;
                    for (const vmmc_frame* frame = block.first; frame != nullptr;
                         frame = vmmc_block_next(&block, frame), ++frames) {
                      EXPECT(number_of(*frame) == expected++);
                    }
                    EXPECT(frames == block.frames);
                    EXPECT(block.again == 0);
                    kept.push_back(block);
                    if (kept.size() < 4) continue;
                    const std::uint64_t first = number_of(*kept[2].first);
                    EXPECT(vmmc_ring_return_block(ring, &kept[1]) == VMMC_OK);
                    EXPECT(vmmc_ring_return_block(ring, &kept[1]) == VMMC_ERR_NOT_HELD);
                    EXPECT(vmmc_ring_return_block(ring, &kept[3]) == VMMC_OK);
                    EXPECT(vmmc_ring_return_block(ring, &kept[0]) == VMMC_OK);
                    EXPECT(number_of(*kept[2].first) == first);  // what is held stays as it is
                    EXPECT(vmmc_ring_return_block(ring, &kept[2]) == VMMC_OK);
                    kept.clear();
                  }
                  EXPECT(status == VMMC_END);
                  EXPECT(expected == kFrames);
                }});
}

TEST_CASE("S13.4 at recorded speed what finds no room is lost, counted, and said where") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  constexpr std::uint64_t kFrames = 5000;
                  vmmc_ring_options options = small_ring(2);
                  options.pace = VMMC_RING_RECORDED_SPEED;
                  vmmc_ring* ring =
                      open_file(CaptureFile::numbered(kFrames), options);  // over in 5 ms
                  while (counters_of(ring).delivered + counters_of(ring).dropped < kFrames)
                    ::usleep(1000);
                  std::uint64_t read = 0;
                  std::uint64_t dropped = 0;
                  std::uint64_t expected = 0;
                  EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
                           dropped += frame.dropped;
                           expected += frame.dropped;
                           EXPECT(number_of(frame) == expected++);
                           ++read;
                         }) == VMMC_END);
                  const vmmc_ring_counters counters = counters_of(ring);
                  EXPECT(counters.delivered == read);
                  EXPECT(counters.dropped == kFrames - read);
                  EXPECT(counters.dropped_bytes == (kFrames - read) * kFrameBytes);
                  EXPECT(counters.dropped > 0);
                  EXPECT(dropped <= counters.dropped);
                }});
}

TEST_CASE("S13.10 recorded speed: no frame comes earlier than its time stamp says") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  constexpr std::uint64_t kInterval = 5'000'000;
                  vmmc_ring_options options = small_ring(4);
                  options.pace = VMMC_RING_RECORDED_SPEED;
                  const std::uint64_t before = now();
                  vmmc_ring* ring = open_file(CaptureFile::numbered(20, 1, kInterval), options);
                  std::uint64_t number = 0;
                  EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
                           EXPECT(number_of(frame) == number);
                           EXPECT(now() - before >= number * kInterval);
                           ++number;
                         }) == VMMC_END);
                  EXPECT(number == 20);
                }});
}

TEST_CASE("S13.11 what is no capture file is refused") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  CaptureFile file;
                  file.bytes[0] ^= 0xff;
                  EXPECT(status_of_open(file, small_ring(4)) == VMMC_ERR_NOT_A_CAPTURE);
                  file = CaptureFile();
                  file.bytes.resize(10);
                  EXPECT(status_of_open(file, small_ring(4)) == VMMC_ERR_TRUNCATED_CAPTURE);
                  file.bytes.clear();
                  const int status = status_of_open(file, small_ring(4));
                  EXPECT(status == VMMC_ERR_NOT_A_CAPTURE || status == VMMC_ERR_TRUNCATED_CAPTURE);
                  file = CaptureFile();
                  EXPECT(status_of_open(file, small_ring(4)) == VMMC_OK);
                }});
}

TEST_CASE("S13.11 a damaged file gives its sound frames, and then what is wrong with it") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  CaptureFile cut = CaptureFile::numbered(100);
                  cut.bytes.resize(cut.bytes.size() - 10);
                  CaptureFile corrupt = CaptureFile::numbered(100);
                  const std::uint32_t absurd = 0x7fffffff;
                  std::memcpy(&corrupt.bytes[24 + 60 * kRecordBytes + 8], &absurd, sizeof absurd);
                  struct {
                    const CaptureFile* file;
                    std::uint64_t frames;
                    int status;
                  } const kinds[] = {{&cut, 99, VMMC_ERR_TRUNCATED_CAPTURE},
                                     {&corrupt, 60, VMMC_ERR_CORRUPT_CAPTURE}};
                  for (const auto& kind : kinds) {
                    vmmc_ring* ring = open_file(*kind.file, small_ring(4));
                    std::uint64_t expected = 0;
                    const int status = read_all(ring, [&](const vmmc_frame& frame) {
                      EXPECT(number_of(frame) == expected++);
                    });
                    EXPECT(status == kind.status);
                    EXPECT(expected == kind.frames);
                    EXPECT(std::strlen(vmmc_last_error()) > 0);
                    EXPECT(vmmc_ring_close(ring) == VMMC_OK);
                  }
                }});
}
