// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Threads that store to one buffer, typed and captured, in ordinary code and in signal handlers that
// interrupt it, while others flush, bind and unbind.

#include <doctest/doctest.h>

#include <array>
#include <thread>

#include "vmmc/internal/automatic/testing/automatic_rig.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

namespace {

constexpr std::size_t kPage = wire::kPageSize;
constexpr std::size_t kWriters = 6;
constexpr std::size_t kShared = 512;  // offset of a word that all store to

// Each writer stores its count first to the page of data and then to the page of flags.
std::size_t data_of(std::size_t writer) { return writer * 64; }
std::size_t flag_of(std::size_t writer) { return kPage + writer * 64; }

struct Scene {
  AutomaticRig rig;
  ProgramPages local{3};
  std::array<vmmc_binding*, 2> handles;
  std::uint64_t out_of_order = 0;

  explicit Scene(const std::array<int, 2>& combining) {
    for (std::size_t i = 0; i < 2; ++i) {
      handles[i] = rig.bind(local.at(i * kPage), kPage,
                            {VMMC_CAPTURE_TRAP, combining[i], 100'000, 0}, i * kPage);
    }
    rig.on_packet = [this](const SeenPacket&) {
      for (std::size_t writer = 0; writer < kWriters; ++writer) {
        if (remote_word(data_of(writer)) < remote_word(flag_of(writer))) ++out_of_order;
      }
      rig.packets.clear();
    };
  }
  std::uint64_t remote_word(std::size_t offset) const {
    std::uint64_t word;
    std::memcpy(&word, rig.remote.data() + offset, sizeof word);
    return word;
  }

  bool store(std::size_t offset, std::uint64_t value, bool typed) {
    auto* const word = local.word<std::uint64_t>(offset);
    if (!typed) {
      rig.capture.store(word, value);
      return true;
    }
    return typed_store(handles[offset / kPage], word, value) == VMMC_OK;
  }
  // False if it was refused, which leaves the flag behind the data.
  bool store_pair(std::size_t writer, std::uint64_t value, bool typed) {
    return store(data_of(writer), value, typed) && store(flag_of(writer), value, typed);
  }

  void check() {
    CHECK(rig.update.flush() == VMMC_OK);
    rig.nicsim.stop();
    CHECK(out_of_order == 0);
    CHECK(rig.malformed == 0);
    CHECK(std::memcmp(local.at(), rig.remote.data(), 2 * kPage) == 0);
  }
};

constexpr std::array<std::array<int, 2>, 3> kCombinings = {{
    {VMMC_COMBINE_SINGLE, VMMC_COMBINE_SINGLE},
    {VMMC_COMBINE_BLOCK, VMMC_COMBINE_TIMER},
    {VMMC_COMBINE_TIMER, VMMC_COMBINE_SINGLE},
}};

// ---- handlers

Scene* storming = nullptr;
std::atomic<std::uint64_t> handled{0};
std::atomic<std::uint64_t> refused{0};
thread_local std::size_t handlers_writer = 0;
thread_local std::uint64_t handlers_count = 0;
thread_local unsigned handlers_left = 0;

void handler(int) {
  if (handlers_left == 0) return;
  --handlers_left;
  const std::uint64_t count = ++handlers_count;
  storming->store_pair(handlers_writer, count, false);
  storming->store(kShared, count << 32, false);
  if (!storming->store(data_of(handlers_writer) + 8, count, true)) ++refused;
  if (storming->rig.update.flush() != VMMC_OK) ++refused;
  ++handled;
}

}  // namespace

TEST_CASE("threads: the flag never overtakes the data, and all is the same in the end") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  for (const auto& combining : kCombinings) {
    Scene scene(combining);
    scene.rig.nicsim.start(seed);
    std::vector<std::thread> threads;
    for (std::size_t writer = 0; writer < 4; ++writer) {
      threads.emplace_back([&scene, writer] {
        const bool typed = writer % 2 == 0;
        for (std::uint64_t i = 1; i <= rounds(2000); ++i) {
          scene.store_pair(writer, i, typed);
          scene.store(kShared, i << 8 | writer, typed);
        }
      });
    }
    threads.emplace_back([&scene] {
      const vmmc_bind_options options = VMMC_BIND_DEFAULTS;
      for (std::uint64_t i = 1; i <= rounds(50); ++i) {
        vmmc_binding* const handle =
            scene.rig.bind(scene.local.at(2 * kPage), kPage, options, 2 * kPage);
        scene.store(2 * kPage + 8, i, false);
        scene.rig.update.flush();
        CHECK(scene.rig.update.unbind(handle) == VMMC_OK);
      }
    });
    for (std::thread& thread : threads) thread.join();
    scene.check();
    CHECK(scene.remote_word(2 * kPage + 8) == rounds(50));
  }
}

TEST_CASE("signal handlers in all of them: nobody waits for himself") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  ::signal(SIGUSR1, handler);
  for (const auto& combining : kCombinings) {
    Scene scene(combining);
    storming = &scene;
    scene.rig.nicsim.start(seed);
    StayTogether together(scene.rig.queue);
    std::vector<std::thread> threads;
    for (std::size_t writer = 0; writer < 3; ++writer) {
      threads.emplace_back([&scene, &together, writer] {
        handlers_writer = writer + 3;
        handlers_count = 0;
        const SignalStorm storm(SIGUSR1, 100'000);
        for (std::uint64_t i = 1; i <= rounds(1500); ++i) {
          together.begin(writer, i);
          handlers_left = StayTogether::kHandlers;
          scene.store_pair(writer, i, writer != 0);
          scene.store(kShared, i << 8 | writer, writer != 0);
          SendQueue::Slot slot;
          if (scene.rig.queue.begin(slot) == VMMC_OK) scene.rig.queue.abandon();
        }
        together.leave(writer);
      });
    }
    for (std::thread& thread : threads) thread.join();
    scene.check();
  }
  ::signal(SIGUSR1, SIG_DFL);
  MESSAGE("handlers: " << handled.load() << ", refused " << refused.load());
  CHECK(handled > 0);
}
