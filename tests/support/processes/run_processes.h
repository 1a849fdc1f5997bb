// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Runs the parts of a test in processes of their own.
//
//   NicsimProcess nicsim;
//   run_processes(nicsim, {[](Part& part) { ...; part.meet(); ... },
//                          [](Part& part) { part.meet(); EXPECT(vmmc_init(nullptr) == VMMC_OK);
//                          }});
//
// Each part runs in a forked child with VMMC_SOCKET, VMMC_RANK, VMMC_SIZE, VMMC_PROCESS and
// VMMC_NODE set as vmmcrun would (node = number % 4). A part fails when an EXPECT in it fails, when
// it dies, or when it has not ended after a minute; then the others are killed and the doctest case
// fails with the part's message.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/processes/nicsim_process.h"

namespace vmmc::testing {

inline constexpr int kMaxParts = 64;

// What the parts share: anonymous memory made before the fork.
struct Shared {
  std::atomic<std::uint32_t> present;   // parts that still take part in meetings
  std::atomic<std::uint32_t> arrived;   // at the current meeting
  std::atomic<std::uint32_t> meetings;  // held so far
  std::atomic<std::uint32_t> dies_on_purpose[kMaxParts];
  std::atomic<std::uint64_t> values[64];  // for the test's own use, zero at the start
};

// For test cases that cannot be run in simulated time (doctest::skip(needs_real_time())): those whose
// parts wait for each other, or their threads for each other, by other means than VMMC.
inline bool needs_real_time() { return std::getenv("VMMC_TEST_MODEL") != nullptr; }

class Part {
 public:
  Part(std::uint32_t number, Shared& shared) : number_(number), shared_(shared) {}

  std::uint32_t number() const { return number_; }

  // Waits until every part that is still present has called it.
  void meet();

  // A word that all parts share, outside of VMMC.
  std::atomic<std::uint64_t>& value(int index) { return shared_.values[index]; }

  // Leaves the meetings and dies by SIGKILL, as it would in an accident. The part counts as passed.
  [[noreturn]] void die();

  // The part will be killed by another one (or the test) and counts as passed then; it leaves the
  // meetings.
  void expect_to_be_killed();

 private:
  void leave();

  std::uint32_t number_;
  Shared& shared_;
};

void run_processes(const NicsimProcess& nicsim, std::vector<std::function<void(Part&)>> parts);
void run_processes(const std::string& socket, std::vector<std::function<void(Part&)>> parts);

// Between two looks at something that another part brings about: 100 us, also of simulated time, for
// parts that are attached would stand still with it.
void let_time_pass();

// The same for a loop that does nothing but look: in real time it takes no time.
void keep_looking();

[[noreturn]] void fail_part(const char* file, int line, const std::string& what);

// In a part: prints the sentence of the last VMMC error too, and ends the process.
#define EXPECT(condition)                                                         \
  do {                                                                            \
    if (!(condition)) ::vmmc::testing::fail_part(__FILE__, __LINE__, #condition); \
  } while (false)

}  // namespace vmmc::testing
