// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Consumers, openers and nicsim that end while rings are open.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "tests/ring/ring_run.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint64_t kFrames = 5000;

// How often each frame was seen, and how many came in blocks that somebody else had before.
struct Seen {
  std::vector<int> times = std::vector<int>(kFrames);
  std::uint64_t again = 0;
};

int take_all(vmmc_ring* ring, Seen& seen) {
  vmmc_block block{};
  int status = VMMC_OK;
  while ((status = vmmc_ring_take_block(ring, &block, kPatience)) == VMMC_OK) {
    for (const vmmc_frame* frame = block.first; frame != nullptr;
         frame = vmmc_block_next(&block, frame)) {
      ++seen.times[number_of(*frame)];
    }
    if (block.again != 0) seen.again += block.frames;
    EXPECT(vmmc_ring_return_block(ring, &block) == VMMC_OK);
  }
  return status;
}

}  // namespace

TEST_CASE("S13.8 what a consumer that is killed holds goes to another one") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_ring_options options = small_ring(6);
                           options.consumers = 2;
                           vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), options);
                           part.meet();
                           part.meet();
                           // The other one holds blocks by now, and dies with them.
                           Seen seen;
                           EXPECT(take_all(ring, seen) == VMMC_END);
                           // nicsim may learn of the death after the file's end.
                           while (seen.again < part.value(0)) {
                             EXPECT(take_all(ring, seen) == VMMC_END);
                           }
                           EXPECT(part.value(0) > 0);
                           for (const int times : seen.times) EXPECT(times == 1);
                           // What was put into blocks of the other one was counted there.
                           EXPECT(counters_of(ring).delivered + seen.again == kFrames);
                           EXPECT(counters_of(ring).dropped == 0);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           vmmc_ring* ring = join(0);
                           vmmc_block block{};
                           EXPECT(vmmc_ring_take_block(ring, &block, kPatience) == VMMC_OK);
                           part.value(0) = block.frames;
                           part.meet();
                           part.die();
                         }});
}

TEST_CASE("S13.8 a mirrored consumer that is killed with blocks holds nothing up") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames),
                                                       small_ring(4, VMMC_RING_MIRRORED));
                           part.meet();
                           part.meet();
                           Seen seen;
                           EXPECT(take_all(ring, seen) == VMMC_END);
                           for (const int times : seen.times) EXPECT(times == 1);
                           EXPECT(seen.again == 0);
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           (void)join(0);
                           part.meet();
                           part.die();
                         }});
}

TEST_CASE("S13.8 when the opener is killed the ring goes on for who has joined") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           (void)open_file(CaptureFile::numbered(kFrames), small_ring(4));
                           part.meet();
                           part.meet();
                           part.die();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           vmmc_ring* ring = join(0);
                           part.meet();
                           Seen seen;
                           while (true) {
                             EXPECT(take_all(ring, seen) == VMMC_END);
                             std::uint64_t frames = 0;
                             for (const int times : seen.times) {
                               EXPECT(times <= 1);
                               frames += static_cast<std::uint64_t>(times);
                             }
                             if (frames == kFrames) break;
                           }
                           EXPECT(seen.again > 0);
                         }});
}

TEST_CASE("S13.8 when nicsim is killed a ring gives what is there, and then says so") {
  NicsimProcess nicsim;
  run_processes(
      nicsim, {[&](Part&) {
        attach();
        vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), small_ring(2));
        const vmmc_frame* frame = nullptr;
        EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
        ::kill(nicsim.pid(), SIGKILL);
        std::uint64_t expected = 1;
        EXPECT(read_all(ring, [&](const vmmc_frame& one) {
                 EXPECT(number_of(one) == expected++);
               }) == VMMC_ERR_NICSIM_GONE);
        EXPECT(vmmc_ring_arm(ring) == VMMC_PENDING);
        EXPECT(vmmc_ring_close(ring) == VMMC_ERR_NICSIM_GONE);
        EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 2, nullptr, &ring) == VMMC_ERR_NICSIM_GONE);
      }});
}

TEST_CASE("S13.8 who waits is told of nicsim's end") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[&](Part&) {
                  attach();
                  vmmc_ring* ring = nullptr;
                  EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_OK);
                  const pid_t killer = ::fork();
                  if (killer == 0) {
                    ::usleep(100'000);
                    ::kill(nicsim.pid(), SIGKILL);
                    ::_exit(0);
                  }
                  const vmmc_frame* frame = nullptr;
                  EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_ERR_NICSIM_GONE);
                  EXPECT(::waitpid(killer, nullptr, 0) == killer);
                }});
}

TEST_CASE("S13.8 a forked child has no rings, and its parent keeps them") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), small_ring(4));
                  const vmmc_frame* frame = nullptr;
                  EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                  const pid_t child = ::fork();
                  if (child == 0) {
                    vmmc_ring_counters counters{};
                    vmmc_block block{};
                    int descriptor = -1;
                    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_ERR_FORKED);
                    EXPECT(vmmc_ring_take_block(ring, &block, kPatience) == VMMC_ERR_FORKED);
                    EXPECT(vmmc_ring_arm(ring) == VMMC_ERR_FORKED);
                    EXPECT(vmmc_ring_descriptor(ring, &descriptor) == VMMC_ERR_FORKED);
                    EXPECT(vmmc_ring_get_counters(ring, &counters) == VMMC_ERR_FORKED);
                    EXPECT(vmmc_ring_close(ring) == VMMC_OK);
                    ::_exit(0);
                  }
                  int status = -1;
                  EXPECT(::waitpid(child, &status, 0) == child);
                  EXPECT(status == 0);
                  std::uint64_t expected = 1;
                  EXPECT(read_all(ring, [&](const vmmc_frame& one) {
                           EXPECT(number_of(one) == expected++);
                         }) == VMMC_END);
                  EXPECT(expected == kFrames);
                }});
}

TEST_CASE("S13.8 vmmc_finalize closes what is open; the handle says so until it is closed") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  for (int round = 0; round < 3; ++round) {
                    attach();
                    vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), small_ring(4));
                    const vmmc_frame* frame = nullptr;
                    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                    EXPECT(vmmc_finalize() == VMMC_OK);
                    EXPECT(vmmc_ring_next(ring, &frame, 0) == VMMC_ERR_NOT_ATTACHED);
                    EXPECT(vmmc_ring_arm(ring) == VMMC_ERR_NOT_ATTACHED);
                    EXPECT(vmmc_ring_close(ring) == VMMC_OK);
                    EXPECT(vmmc_ring_join({0, 0}, 1, &ring) == VMMC_ERR_NOT_ATTACHED);
                  }
                }});
}
