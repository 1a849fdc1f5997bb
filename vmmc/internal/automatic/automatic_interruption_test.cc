// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A signal handler that stores to bound pages, after each single instruction of a typed store, of a
// flush and of a send of its thread in turn; where these are long after every few, from another one
// on each time, because to go through instructions singly takes long.

#include <doctest/doctest.h>

#include "vmmc/internal/automatic/testing/automatic_rig.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/single_step.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

#if defined(VMMC_SINGLE_STEP)

namespace {

constexpr std::size_t kPage = wire::kPageSize;

struct Scene {
  AutomaticRig rig;
  ProgramPages local{3};
  vmmc_binding* handle;
  std::uint32_t round = 0;

  explicit Scene(int combining)
      : handle(rig.bind(local.at(), 3 * kPage,
                        {VMMC_CAPTURE_TRAP, combining, 3'600'000'000'000, 0})) {}
};

// What the handler does after instruction `at`.
struct Interruption {
  Scene* scene = nullptr;
  int (*action)(Scene&) = nullptr;
  std::uint64_t at = 0;
  int status = 0;
  bool happened = false;
};
Interruption interruption;

bool act_between(std::uint64_t instruction) {
  if (instruction != interruption.at) return false;
  interruption.happened = true;
  interruption.status = interruption.action(*interruption.scene);
  return true;
}

struct Tally {
  std::uint64_t instructions = 0;
  std::uint64_t refused = 0;
  std::uint64_t wrong = 0;
};

// Interrupts outer() after every `stride`-th instruction, until it is over before that. Each time,
// what is remote in the end is what is local.
template <typename Outer>
Tally interrupt_everywhere(Scene& scene, int (*action)(Scene&), std::uint64_t stride, Outer outer) {
  Tally tally;
  interruption = {
      .scene = &scene, .action = action, .at = choose_seed() % stride, .happened = true};
  for (; interruption.happened; interruption.at += stride) {
    interruption.happened = false;
    ++scene.round;
    int status = 0;
    SingleStep::run([&] { status = outer(); }, act_between);
    if (status != VMMC_OK) ++tally.wrong;
    scene.rig.settle();
    scene.rig.packets.clear();
    if (std::memcmp(scene.local.at(), scene.rig.remote.data(), 3 * kPage) != 0) ++tally.wrong;
    if (!interruption.happened) break;
    ++tally.instructions;
    if (interruption.status == VMMC_ERR_INTERRUPTED_SEND) {
      ++tally.refused;
    } else if (interruption.status != VMMC_OK) {
      ++tally.wrong;
    }
  }
  return tally;
}

void check(const char* what, Scene& scene, const Tally& tally) {
  MESSAGE(std::string(what) << ": after " << tally.instructions << " instructions, refused after "
                            << tally.refused);
  CHECK(tally.instructions > 10);
  CHECK(tally.wrong == 0);
  CHECK(scene.rig.malformed == 0);
}

// ---- what handlers do

// First the data, then the flag; neither in the word that the interrupted store is for.
int capture_two(Scene& scene) {
  scene.rig.capture.store(scene.local.word<std::uint32_t>(kPage + 64), scene.round);
  scene.rig.capture.store(scene.local.word<std::uint32_t>(64), scene.round);
  return VMMC_OK;
}
// The very word.
int capture_same(Scene& scene) {
  scene.rig.capture.store(scene.local.word<std::uint64_t>(8), std::uint64_t{7} << 32);
  return VMMC_OK;
}
int store_typed(Scene& scene) {
  auto* const word = scene.local.word<std::uint32_t>(2 * kPage);
  const std::uint32_t before = *word;
  const int status = typed_store(scene.handle, word, scene.round);
  if (*word != (status == VMMC_OK ? scene.round : before)) return VMMC_ERR_SYSTEM;
  return status;
}
int flush(Scene& scene) { return scene.rig.update.flush(); }

struct Action {
  const char* name;
  int (*run)(Scene&);
  bool refusable;
};
constexpr Action kActions[] = {
    {"two captured stores", capture_two, false},
    {"a captured store to the same word", capture_same, false},
    {"a typed store", store_typed, true},
    {"a flush", flush, true},
};

// A receiver never sees the flag before the data.
void watch_order(Scene& scene) {
  scene.rig.on_packet = [&scene](const SeenPacket&) {
    std::uint32_t data;
    std::uint32_t flag;
    std::memcpy(&data, scene.rig.remote.data() + kPage + 64, 4);
    std::memcpy(&flag, scene.rig.remote.data() + 64, 4);
    REQUIRE(data >= flag);
  };
}

template <typename Outer>
void check_all(const char* what, int combining, std::uint64_t stride, Outer outer) {
  for (const Action& action : kActions) {
    Scene scene(combining);
    watch_order(scene);
    const Tally tally =
        interrupt_everywhere(scene, action.run, stride, [&] { return outer(scene); });
    check((std::string(action.name) + " in " + what).c_str(), scene, tally);
    CHECK((tally.refused > 0) <= action.refusable);
    if (action.refusable) CHECK(tally.refused < tally.instructions);
  }
}

int store_here(Scene& scene) {
  return typed_store(scene.handle, scene.local.word<std::uint64_t>(8),
                     std::uint64_t{scene.round} + 1000);
}

}  // namespace

TEST_CASE("in a typed store that is combined") {
  const Watchdog watchdog;
  check_all("a typed store that is combined", VMMC_COMBINE_BLOCK, 2,
            [](Scene& scene) { return store_here(scene); });
}

TEST_CASE("in a typed store that joins an open packet, and one that closes it") {
  const Watchdog watchdog;
  check_all("three typed stores", VMMC_COMBINE_TIMER, 31, [](Scene& scene) {
    auto* const words = scene.local.word<std::uint64_t>(0);
    int status = typed_store(scene.handle, words, std::uint64_t{scene.round});
    if (status == VMMC_OK) status = store_here(scene);
    if (status == VMMC_OK) status = typed_store(scene.handle, words + 4, std::uint64_t{1});
    return status;
  });
}

TEST_CASE("in a typed store that is a packet") {
  const Watchdog watchdog;
  check_all("a typed store that is a packet", VMMC_COMBINE_SINGLE, 7,
            [](Scene& scene) { return store_here(scene); });
}

TEST_CASE("in a copy by way of the staging area") {
  const Watchdog watchdog;
  check_all("a copy", VMMC_COMBINE_SINGLE, 31, [](Scene& scene) {
    const std::vector<std::byte> source(60, static_cast<std::byte>(scene.round));
    return typed_copy(scene.handle, scene.local.at(), source.data(), source.size());
  });
}

TEST_CASE("in a flush") {
  const Watchdog watchdog;
  check_all("a flush", VMMC_COMBINE_BLOCK, 13, [](Scene& scene) {
    const int status = store_here(scene);
    return status == VMMC_OK ? scene.rig.update.flush() : status;
  });
}

TEST_CASE("while the thread holds the send queue") {
  const Watchdog watchdog;
  for (const int combining : {VMMC_COMBINE_BLOCK, VMMC_COMBINE_SINGLE}) {
    check_all("a hold of the send queue", combining, 1, [](Scene& scene) {
      SendQueue::Slot slot;
      const int status = scene.rig.queue.begin(slot);
      if (status == VMMC_OK) scene.rig.queue.abandon();
      return status;
    });
  }
}

TEST_CASE("a handler may make as many captured stores as can be kept, in order") {
  const Watchdog watchdog;
  Scene scene(VMMC_COMBINE_SINGLE);
  SendQueue::Slot slot;
  REQUIRE(scene.rig.queue.begin(slot) == VMMC_OK);
  for (std::uint32_t i = 0; i < DeferredStores::kEntries; ++i) {
    scene.rig.capture.store(scene.local.word<std::uint32_t>(0), i);
  }
  scene.rig.queue.abandon();
  scene.rig.nicsim.start(1);
  CHECK(scene.rig.update.flush() == VMMC_OK);
  scene.rig.nicsim.stop();
  std::uint32_t expected = 0;
  for (const SeenPacket& packet : scene.rig.packets) {
    std::uint32_t value;
    std::memcpy(&value, packet.bytes.data(), 4);
    REQUIRE(value == expected++);
  }
  CHECK(expected == DeferredStores::kEntries);
}

#endif
