// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Plain stores, from the instruction to the packet: trap capture and automatic update together.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <thread>

#include "vmmc/internal/automatic/testing/automatic_rig.h"
#include "vmmc/internal/automatic/trap/trap_store_capture.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::size_t kPage = wire::kPageSize;

struct Trapped {
  ProgramPages local{4};  // outlives its binding
  AutomaticRig rig;
  TrapStoreCapture trap;
  AutomaticUpdate update{
      rig.nicsim.channel(), rig.waiter, rig.space, rig.segments, rig.queue, rig.host, trap,
      rig.declarations};
  vmmc_binding* handle = nullptr;

  explicit Trapped(int combining) {
    const vmmc_bind_options options = {VMMC_CAPTURE_TRAP, combining, 50'000, 0};
    REQUIRE(update.bind(local.at(), rig.proxy(), 4 * kPage, options, &handle) == VMMC_OK);
  }
  template <typename Word>
  volatile Word* words(std::size_t offset = 0) {
    return local.word<Word>(offset);
  }
  // By hand.
  void settle() {
    CHECK(update.flush() == VMMC_OK);
    while (rig.nicsim.serve(1000) > 0) {
    }
  }
  void check() const {
    CHECK(rig.malformed == 0);
    CHECK(std::memcmp(local.at(), rig.remote.data(), 4 * kPage) == 0);
  }
};

// ThreadSanitizer runs handlers with SIGSEGV blocked: a store to watched pages there is deadly.
#if defined(__SANITIZE_THREAD__)
constexpr bool kHandlersMayStore = false;
#else
constexpr bool kHandlersMayStore = true;
#endif

Trapped* storming = nullptr;
std::atomic<std::uint64_t> handled{0};
thread_local std::size_t handlers_writer = 0;
thread_local std::uint64_t handlers_count = 0;
thread_local unsigned handlers_left = 0;

void handler(int) {
  ++handled;
  if (!kHandlersMayStore || handlers_left == 0) return;
  --handlers_left;
  volatile std::uint64_t* const words = storming->words<std::uint64_t>();
  ++handlers_count;
  words[64 + handlers_writer] = handlers_count;
  words[600 + handlers_writer] = handlers_count;
  storming->update.flush();
}

}  // namespace

TEST_CASE("plain stores are combined and sent") {
  const Watchdog watchdog;
  Trapped trapped(VMMC_COMBINE_BLOCK);
  volatile std::uint32_t* const words = trapped.words<std::uint32_t>();
  for (std::uint32_t i = 0; i < 100; ++i) words[i] = i + 1;
  words[5] = words[5] + 1;
  std::memset(trapped.local.at(kPage - 100), 7, 300);
  trapped.settle();
  trapped.check();
  REQUIRE(trapped.rig.packets.size() >= 3);
  CHECK(trapped.rig.packets[0].bytes.size() == 400);
  CHECK(trapped.rig.packets[1].offset == 20);
  CHECK(trapped.update.unbind(trapped.handle) == VMMC_OK);
  words[0] = 99;
  CHECK(trapped.rig.nicsim.serve(100) == 0);
}

TEST_CASE("with a timer, and one by one; and what that costs") {
  const Watchdog watchdog;
  for (const int combining : {VMMC_COMBINE_TIMER, VMMC_COMBINE_SINGLE}) {
    Trapped trapped(combining);
    trapped.rig.nicsim.start(1);
    volatile std::uint32_t* const words = trapped.words<std::uint32_t>();
    constexpr std::uint32_t kStores = 5000;
    const std::uint64_t begin = monotonic_ns();
    for (std::uint32_t i = 0; i < kStores; ++i) words[i * 7 % kPage] = i + 1;
    const std::uint64_t elapsed = monotonic_ns() - begin;
    MESSAGE("combining " << combining << ": " << elapsed / kStores << " ns for each trapped store");
    CHECK(trapped.update.flush() == VMMC_OK);
    trapped.rig.nicsim.stop();
    trapped.check();
  }
}

TEST_CASE("threads and signal handlers that store everywhere") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  ::signal(SIGUSR1, handler);
  for (const int combining : {VMMC_COMBINE_TIMER, VMMC_COMBINE_BLOCK, VMMC_COMBINE_SINGLE}) {
    Trapped trapped(combining);
    storming = &trapped;
    trapped.rig.nicsim.start(seed);
    StayTogether together(trapped.rig.queue);
    std::vector<std::thread> threads;
    for (std::size_t writer = 0; writer < 3; ++writer) {
      threads.emplace_back([&trapped, &together, writer] {
        handlers_writer = writer;
        const SignalStorm storm(SIGUSR1, 150'000);
        volatile std::uint64_t* const words = trapped.words<std::uint64_t>();
        for (std::uint64_t i = 1; i < rounds(2000); ++i) {
          together.begin(writer, i);
          handlers_left = StayTogether::kHandlers;
          const std::size_t shared = 1024 + i % 256;
          if (writer == 0) {
            (void)typed_store(trapped.handle, trapped.local.word<std::uint64_t>(8 * shared), i);
          } else {
            words[1536 + 8 * writer] = i;
            // Other threads store there, too.
            std::atomic_ref<std::uint64_t>(*trapped.local.word<std::uint64_t>(8 * shared))
                .store(i, std::memory_order_relaxed);
          }
          SendQueue::Slot slot;
          if (trapped.rig.queue.begin(slot) == VMMC_OK) trapped.rig.queue.abandon();
        }
        together.leave(writer);
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(trapped.update.flush() == VMMC_OK);
    trapped.rig.nicsim.stop();
    trapped.check();
  }
  ::signal(SIGUSR1, SIG_DFL);
  MESSAGE("handlers: " << handled.load());
  CHECK(handled > 0);
}

TEST_CASE("a forked child stores to private pages, and the parent's are bound as before") {
  const Watchdog watchdog;
  Trapped trapped(VMMC_COMBINE_TIMER);
  volatile std::uint32_t* const words = trapped.words<std::uint32_t>();
  words[0] = 1;
  trapped.update.before_fork();
  trapped.rig.segments.before_fork();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    trapped.update.abandon_in_child();
    trapped.rig.segments.make_private_after_fork();
    words[0] = 2;
    ::_exit(words[0] == 2 ? 0 : 1);
  }
  trapped.rig.segments.after_fork_in_parent();
  trapped.update.after_fork_in_parent();
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(words[0] == 1);
  words[2] = 4;
  trapped.settle();
  trapped.check();
}
