// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Rings with several consumers.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>

#include "tests/ring/ring_run.h"

using namespace vmmc::testing;

namespace {

// Values of the parts' shared memory.
constexpr int kCount = 0;
constexpr int kSum = 1;
constexpr int kFlow = 2;  // one for each flow: 1 + the part that gets it

// Keeps the source from running away before everybody has joined: the file waits for room.
void read_and_count(Part& part, vmmc_ring* ring) {
  EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
           part.value(kCount).fetch_add(1);
           part.value(kSum).fetch_add(number_of(frame));
         }) == VMMC_END);
}

constexpr std::uint64_t kFrames = 20'000;
constexpr std::uint64_t kSumOfAll = kFrames * (kFrames - 1) / 2;

}  // namespace

TEST_CASE("S13.5 exclusive consumers: each frame goes to one of them") {
  NicsimProcess nicsim;
  const auto check = [](Part& part) {
    part.meet();
    EXPECT(part.value(kCount) == kFrames);
    EXPECT(part.value(kSum) == kSumOfAll);
  };
  run_processes(nicsim, {[&](Part& part) {
                           attach();
                           vmmc_ring* ring =
                               open_file(CaptureFile::numbered(kFrames), small_ring(4));
                           part.meet();
                           part.meet();
                           read_and_count(part, ring);
                           check(part);
                         },
                         [&](Part& part) {
                           attach();
                           part.meet();
                           vmmc_ring* ring = join(0);
                           part.meet();
                           read_and_count(part, ring);
                           check(part);
                         }});
}

TEST_CASE("S13.5 by flow: both directions of a flow go to the same consumer, in order") {
  NicsimProcess nicsim;
  constexpr unsigned kFlows = 32;
  const auto read = [](Part& part, vmmc_ring* ring) {
    std::array<std::uint64_t, kFlows> last{};
    EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
             // What was put into blocks before the others had joined does not count.
             const std::uint64_t number = number_of(frame);
             if (number < kFrames / 2) return;
             const auto flow = static_cast<unsigned>(number % kFlows);
             std::uint64_t nobody = 0;
             const std::uint64_t me = part.number() + 1;
             EXPECT(
                 part.value(kFlow + static_cast<int>(flow)).compare_exchange_strong(nobody, me) ||
                 nobody == me);
             EXPECT(number > last[flow]);
             last[flow] = number;
             part.value(kCount).fetch_add(1);
           }) == VMMC_END);
    part.meet();
    EXPECT(part.value(kCount) == kFrames / 2);
    std::set<std::uint64_t> consumers;
    for (unsigned flow = 0; flow < kFlows; ++flow) {
      consumers.insert(part.value(kFlow + static_cast<int>(flow)));
    }
    EXPECT(consumers.size() == 2);
  };
  run_processes(nicsim, {[&](Part& part) {
                           attach();
                           vmmc_ring_options options = small_ring(8);
                           options.spread = VMMC_RING_BY_FLOW;
                           vmmc_ring* ring =
                               open_file(CaptureFile::numbered(kFrames, kFlows), options);
                           part.meet();
                           part.meet();
                           read(part, ring);
                         },
                         [&](Part& part) {
                           attach();
                           part.meet();
                           vmmc_ring* ring = join(0);
                           part.meet();
                           read(part, ring);
                         }});
}

TEST_CASE("S13.6 mirrored consumers: all of them get every frame from when they join") {
  NicsimProcess nicsim;
  const auto read = [](vmmc_ring* ring, bool from_the_first) {
    std::uint64_t first = UINT64_MAX;
    std::uint64_t expected = 0;
    EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
             if (first == UINT64_MAX) first = expected = number_of(frame);
             EXPECT(number_of(frame) == expected++);
           }) == VMMC_END);
    EXPECT(expected == kFrames);
    if (from_the_first) EXPECT(first == 0);
    EXPECT(counters_of(ring).delivered == kFrames - first);
  };
  run_processes(nicsim, {[&](Part& part) {
                           attach();
                           vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames),
                                                       small_ring(4, VMMC_RING_MIRRORED));
                           part.meet();
                           part.meet();
                           read(ring, true);
                           part.meet();
                         },
                         [&](Part& part) {
                           attach();
                           part.meet();
                           vmmc_ring* ring = join(0);
                           part.meet();
                           read(ring, false);
                           part.meet();
                         }});
}

TEST_CASE("S13.6 a mirrored block cannot be stored to") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                  part.expect_to_be_killed();
                  attach();
                  vmmc_ring* ring =
                      open_file(CaptureFile::numbered(3), small_ring(4, VMMC_RING_MIRRORED));
                  const vmmc_frame* frame = nullptr;
                  EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                  ::signal(SIGSEGV, [](int) {
                    ::signal(SIGSEGV, SIG_DFL);
                    ::raise(SIGKILL);  // as this part is expected to end
                  });
                  const_cast<vmmc_frame*>(frame)->length = 1;
                  ::_exit(98);
                }});
}

TEST_CASE(
    "S13.6 a mirrored consumer that is stopped lets the others drop, counted, until it goes on") {
  NicsimProcess nicsim;
  constexpr std::uint32_t kWords = 1000;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   (void)export_new(4096, 1);
                   Proxy proxy = import_from(part.number(), 1);
                   vmmc_ring_options options = small_ring(4, VMMC_RING_MIRRORED);
                   options.snap_length = 128;
                   vmmc_ring* ring = nullptr;
                   EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, &options, &ring) == VMMC_OK);
                   part.meet();
                   part.meet();
                   const auto stopped = static_cast<pid_t>(part.value(0).load());
                   EXPECT(::kill(stopped, SIGSTOP) == 0);
                   std::uint64_t seen = 0;
                   const vmmc_frame* frame = nullptr;
                   for (std::uint32_t i = 0; i < kWords; ++i) {
                     send_word(i + 1, proxy.address);
                     EXPECT(vmmc_fence() == VMMC_OK);
                     while (vmmc_ring_next(ring, &frame, 0) == VMMC_OK) ++seen;
                   }
                   vmmc_ring_counters counters = counters_of(ring);
                   EXPECT(seen > 0);
                   EXPECT(counters.dropped > 0);
                   EXPECT(::kill(stopped, SIGCONT) == 0);
                   part.meet();  // it has read everything
                   send_word(kWords + 1, proxy.address);
                   EXPECT(vmmc_fence() == VMMC_OK);
                   EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                   EXPECT(seen + 1 + frame->dropped == kWords + 1);
                   counters = counters_of(ring);
                   EXPECT(counters.delivered == seen + 1);
                   EXPECT(counters.delivered + counters.dropped == kWords + 1);
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   vmmc_ring* ring = join(0);
                   part.value(0) = static_cast<std::uint64_t>(::getpid());
                   part.meet();
                   std::uint64_t seen = 0;
                   const vmmc_frame* frame = nullptr;
                   // The first word comes in any case, and all that follow are there by then or
                   // soon; what comes is what has been delivered.
                   EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                   ++seen;
                   while (counters_of(ring).delivered + counters_of(ring).dropped < kWords ||
                          seen < counters_of(ring).delivered) {
                     if (vmmc_ring_next(ring, &frame, 1'000'000) == VMMC_OK) ++seen;
                   }
                   // It keeps the last block until it asks for what comes behind.
                   part.meet();
                   EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                   EXPECT(frame->dropped > 0);
                   part.meet();
                 }});
}

TEST_CASE("S13.14 no frame before so many have joined, and all of them from the first on") {
  NicsimProcess nicsim;
  constexpr std::uint64_t kFew = 100;  // all of them find room, so one can be read after the other
  const auto read = [](vmmc_ring* ring) {
    std::uint64_t expected = 0;
    EXPECT(read_all(ring, [&](const vmmc_frame& frame) {
             EXPECT(number_of(frame) == expected++);
           }) == VMMC_END);
    EXPECT(expected == kFew);
  };
  run_processes(nicsim,
                {[&](Part& part) {
                   attach();
                   vmmc_ring_options options = small_ring(4, VMMC_RING_MIRRORED);
                   options.consumers = 65;
                   EXPECT(status_of_open(CaptureFile::numbered(1), options) == VMMC_ERR_BAD_RING);
                   options.consumers = 3;
                   vmmc_ring* ring = open_file(CaptureFile::numbered(kFew), options);
                   part.meet();
                   const vmmc_frame* frame = nullptr;
                   while (part.value(kCount) == 0) ::usleep(1000);  // one has joined, and died
                   EXPECT(vmmc_ring_next(ring, &frame, 50'000'000) == VMMC_ERR_TIMEOUT);
                   part.value(kCount) = 2;
                   read(ring);
                 },
                 [&](Part& part) {
                   attach();
                   part.meet();
                   Proxy proxy = import_from(2, 1);
                   part.value(kSum) = 1;
                   // nicsim knows of the death when it refuses this.
                   const std::uint32_t word = 0;
                   while (vmmc_send(&word, proxy.address, sizeof word) == VMMC_OK &&
                          vmmc_fence() == VMMC_OK) {
                   }
                   vmmc_ring* leaver = join(0);
                   EXPECT(vmmc_ring_close(leaver) == VMMC_OK);
                   vmmc_ring* ring = join(0);
                   part.value(kCount) = 1;
                   while (part.value(kCount) == 1) ::usleep(1000);
                   vmmc_ring* third = join(0);
                   read(ring);
                   read(third);
                 },
                 [&](Part& part) {
                   attach();
                   (void)export_new(4096, 1);
                   part.meet();
                   (void)join(0);
                   while (part.value(kSum) == 0) ::usleep(1000);
                   part.die();
                 }});
}

TEST_CASE("S13.14 when its opener is killed before, those who are there get the frames") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           vmmc_ring_options options = small_ring(4);
                           options.consumers = 3;
                           (void)open_file(CaptureFile::numbered(kFrames), options);
                           part.meet();
                           part.meet();
                           part.die();
                         },
                         [](Part& part) {
                           attach();
                           part.meet();
                           vmmc_ring* ring = join(0);
                           part.meet();
                           read_and_count(part, ring);
                           EXPECT(part.value(kCount) == kFrames);
                           EXPECT(part.value(kSum) == kSumOfAll);
                         }});
}

TEST_CASE("S13.7 only who may, joins") {
  NicsimProcess nicsim;
  run_processes(nicsim,
                {[](Part& part) {
                   attach();
                   vmmc_ring_options options = small_ring(4);
                   options.from_process = 1;
                   vmmc_ring* ring = open_file(CaptureFile::numbered(kFrames), options, 5);
                   options.from_process = VMMC_ANY;
                   options.user = ::geteuid() + 1;
                   vmmc_ring* strangers = open_file(CaptureFile::numbered(kFrames), options, 6);
                   part.meet();
                   part.meet();
                   EXPECT(vmmc_ring_close(ring) == VMMC_OK);
                   EXPECT(vmmc_ring_close(strangers) == VMMC_OK);
                   part.meet();
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   vmmc_ring* ring = join(0, 5);
                   vmmc_ring* other = nullptr;
                   EXPECT(vmmc_ring_join(identity_of(0), 4, &other) == VMMC_ERR_UNKNOWN_RING);
                   EXPECT(vmmc_ring_join(identity_of(2), 5, &other) == VMMC_ERR_UNKNOWN_RING);
                   EXPECT(vmmc_ring_join(identity_of(0), 6, &other) == VMMC_ERR_PERMISSION_DENIED);
                   part.meet();
                   part.meet();
                   // Its opener has left: it goes on for those who are there, and nobody joins.
                   EXPECT(vmmc_ring_join(identity_of(0), 5, &other) == VMMC_ERR_UNKNOWN_RING);
                   std::uint64_t frames = 0;
                   EXPECT(read_all(ring, [&](const vmmc_frame&) { ++frames; }) == VMMC_END);
                   EXPECT(frames > 0);
                   part.meet();
                 },
                 [](Part& part) {
                   attach();
                   part.meet();
                   vmmc_ring* other = nullptr;
                   EXPECT(vmmc_ring_join(identity_of(0), 5, &other) == VMMC_ERR_PERMISSION_DENIED);
                   part.meet();
                   part.meet();
                   part.meet();
                 }});
}
