// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of rings share: opening one in a part, and reading numbered frames from it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <functional>

#include "tests/conformance/conformance.h"
#include "tests/ring/capture_file.h"
#include "vmmc/ring.h"

namespace vmmc::testing {

inline constexpr vmmc_ring_options kRingDefaults = VMMC_RING_DEFAULTS;

// Blocks of 4 KiB: 42 numbered frames each.
inline vmmc_ring_options small_ring(std::uint32_t blocks, int sharing = VMMC_RING_EXCLUSIVE) {
  vmmc_ring_options options = kRingDefaults;
  options.blocks = blocks;
  options.block_bytes = 4096;
  options.snap_length = 2048;
  options.sharing = sharing;
  return options;
}

inline vmmc_ring* open_file(const CaptureFile& file, const vmmc_ring_options& options,
                            std::uint32_t id = 1) {
  vmmc_ring* ring = nullptr;
  EXPECT(vmmc_ring_open_file(file.write(), id, &options, &ring) == VMMC_OK);
  return ring;
}

inline int status_of_open(const CaptureFile& file, const vmmc_ring_options& options) {
  vmmc_ring* ring = nullptr;
  const int status = vmmc_ring_open_file(file.write(), 1, &options, &ring);
  if (status == VMMC_OK) vmmc_ring_close(ring);
  return status;
}

inline vmmc_ring* join(std::uint32_t part, std::uint32_t id = 1) {
  vmmc_ring* ring = nullptr;
  EXPECT(vmmc_ring_join(identity_of(part), id, &ring) == VMMC_OK);
  return ring;
}

// Reads to the end, whatever it is, and returns it.
inline int read_all(vmmc_ring* ring, const std::function<void(const vmmc_frame&)>& use) {
  const vmmc_frame* frame = nullptr;
  int status = VMMC_OK;
  while ((status = vmmc_ring_next(ring, &frame, kPatience)) == VMMC_OK) use(*frame);
  return status;
}

inline std::uint64_t number_of(const vmmc_frame& frame) {
  EXPECT(frame.captured >= kNumberAt + 8);
  return number_of(vmmc_frame_data(&frame));
}

// That the process has used so far.
inline std::uint64_t processor_ns(pid_t process) {
  clockid_t clock{};
  EXPECT(::clock_getcpuclockid(process, &clock) == 0);
  timespec time{};
  EXPECT(::clock_gettime(clock, &time) == 0);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

inline vmmc_ring_counters counters_of(vmmc_ring* ring) {
  vmmc_ring_counters counters{};
  EXPECT(vmmc_ring_get_counters(ring, &counters) == VMMC_OK);
  return counters;
}

}  // namespace vmmc::testing
