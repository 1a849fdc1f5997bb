// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/automatic/packet_timer.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "vmmc/internal/automatic/testing/automatic_rig.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::size_t kPage = wire::kPageSize;

void wait_until(const std::function<bool()>& condition) {
  while (!condition()) ::usleep(1000);
}

// The value of a line of /proc/self/task/*/status, of the thread of that name; "" if there is none.
std::string status_of_thread(const std::string& name, const std::string& field) {
  DIR* const tasks = ::opendir("/proc/self/task");
  std::string found;
  while (const dirent* task = ::readdir(tasks)) {
    std::ifstream status("/proc/self/task/" + std::string(task->d_name) + "/status");
    bool here = false;
    for (std::string line; std::getline(status, line);) {
      if (line == "Name:\t" + name) here = true;
      if (here && line.rfind(field + ":\t", 0) == 0) found = line.substr(field.size() + 2);
    }
  }
  ::closedir(tasks);
  return found;
}

// A thread that has been joined may be seen for a moment.
void await_no_thread() {
  wait_until([] { return status_of_thread("vmmc-combine", "State").empty(); });
}

// Waits until the thread sleeps, has not looked for so long, and has not been woken: for ever if it never
// rests.
void await_rest(const PacketTimer& timer, unsigned microseconds = 50'000) {
  const auto state = [] { return status_of_thread("vmmc-combine", "State").substr(0, 1); };
  for (bool rests = false; !rests;) {
    const std::uint64_t looks = timer.looks();
    const std::uint64_t wakes = timer.wakes();
    const bool slept = state() == "S";
    ::usleep(microseconds);
    rests = slept && state() == "S" && timer.looks() == looks && timer.wakes() == wakes;
  }
}

struct Timed {
  AutomaticRig rig;
  ProgramPages local{1};
  vmmc_binding* handle;
  std::atomic<std::uint64_t> seen{0};

  explicit Timed(std::uint64_t timer, int capture = VMMC_CAPTURE_TYPED)
      : handle(rig.bind(local.at(), kPage, {capture, VMMC_COMBINE_TIMER, timer, 0})) {
    rig.on_packet = [this](const SeenPacket&) { ++seen; };
    rig.nicsim.start(1);
  }
  void store(std::size_t offset, std::uint32_t value) {
    CHECK(typed_store(handle, local.word<std::uint32_t>(offset), value) == VMMC_OK);
  }
};

}  // namespace

TEST_CASE("a packet goes when its time has come, without another store") {
  const Watchdog watchdog;
  Timed timed(200'000);
  for (std::uint64_t round = 1; round <= 5; ++round) {
    timed.store(8, static_cast<std::uint32_t>(round));
    wait_until([&] { return timed.seen == round; });
    if (round == 3) await_rest(timed.rig.update.timer());  // it has to be woken for the next
  }
}

TEST_CASE("a shorter timer than the one that is waited for") {
  const Watchdog watchdog;
  Timed timed(3'600'000'000'000);
  ProgramPages other(1);
  Import import = timed.rig.import;
  import.slot += 1;
  import.buffer_id += 1;
  import.first += import.length;
  timed.rig.space.publish(import);
  vmmc_binding* quick = nullptr;
  REQUIRE(timed.rig.update.bind(other.at(), timed.rig.proxy(import.length), kPage,
                                {VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER, 1000, 0},
                                &quick) == VMMC_OK);
  timed.store(8, 1);
  await_rest(timed.rig.update.timer());
  const std::uint64_t posted = timed.rig.queue.posted();
  // The buffer was never granted: so one packet is posted, to be refused.
  CHECK(typed_store(quick, other.word<std::uint32_t>(0), 1u) == VMMC_OK);
  wait_until([&] { return timed.rig.queue.posted() == posted + 1; });
  CHECK(timed.seen == 0);
}

TEST_CASE("nothing to do, nothing done") {
  const Watchdog watchdog;
  Timed timed(100'000);
  const PacketTimer& timer = timed.rig.update.timer();
  timed.store(8, 1);
  wait_until([&] { return timed.seen == 1; });
  await_rest(timer, 200'000);
  CHECK(timed.seen == 1);
}

TEST_CASE("a steady stream does not wake the thread for each packet") {
  const Watchdog watchdog;
  Timed timed(1'000'000'000);
  const PacketTimer& timer = timed.rig.update.timer();
  constexpr std::uint32_t kPackets = 5000;
  const std::uint64_t looks = timer.looks();
  const std::uint64_t wakes = timer.wakes();
  for (std::uint32_t i = 0; i < kPackets; ++i) timed.store(8, i);
  const std::uint64_t more_looks = timer.looks() - looks;
  const std::uint64_t more_wakes = timer.wakes() - wakes;
  MESSAGE(more_wakes << " wake-ups and " << more_looks << " looks, packets: " << kPackets);
  CHECK(more_wakes < kPackets / 20);
  CHECK(more_looks < kPackets / 20);
}

TEST_CASE("what had to be deferred goes without another call, whatever the combining") {
  const Watchdog watchdog;
  AutomaticRig rig;
  ProgramPages local(1);
  std::atomic<std::uint64_t> seen{0};
  rig.on_packet = [&](const SeenPacket&) { ++seen; };
  rig.bind(local.at(), kPage, {VMMC_CAPTURE_TRAP, VMMC_COMBINE_SINGLE, 0, 0});
  rig.nicsim.start(1);
  for (std::uint64_t round = 1; round <= 50; ++round) {
    SendQueue::Slot slot;
    REQUIRE(rig.queue.begin(slot) == VMMC_OK);
    rig.capture.store(local.word<std::uint32_t>(0), 1u);
    rig.capture.store(local.word<std::uint32_t>(0), 2u);
    rig.queue.abandon();
    wait_until([&] { return seen == 2 * round; });
  }
}

TEST_CASE("the thread takes no asynchronous signals, and exists only if it is needed") {
  const Watchdog watchdog;
  AutomaticRig rig;
  ProgramPages local(2);
  rig.bind(local.at(), kPage, {VMMC_CAPTURE_TYPED, VMMC_COMBINE_BLOCK, 0, 0});
  await_no_thread();
  rig.bind(local.at(kPage), kPage, {VMMC_CAPTURE_TYPED, VMMC_COMBINE_TIMER, 1, 0});
  wait_until([&] { return rig.update.timer().looks() > 0; });
  const auto blocked = std::stoull(status_of_thread("vmmc-combine", "SigBlk"), nullptr, 16);
  for (const int asynchronous : {SIGALRM, SIGTERM, SIGUSR1, SIGRTMIN + 2}) {
    CHECK((blocked >> (asynchronous - 1) & 1) == 1);
  }
  CHECK((blocked >> (SIGSEGV - 1) & 1) == 0);
  rig.update.release_all();
  await_no_thread();
}
