// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/deliberate_update.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "vmmc/internal/error.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/send_rig.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
using Kind = vmmc::wire::LocalPlace;
namespace wire = vmmc::wire;

namespace {

std::vector<std::byte> pattern(std::size_t length, std::uint32_t seed) {
  std::vector<std::byte> bytes(length);
  std::mt19937 random(seed);
  for (std::byte& one : bytes) one = static_cast<std::byte>(random());
  return bytes;
}

bool arrived(const SendRig& rig, std::uint64_t offset, const std::vector<std::byte>& bytes) {
  return std::equal(bytes.begin(), bytes.end(),
                    rig.remote.begin() + static_cast<std::ptrdiff_t>(offset));
}

bool last_error_mentions(std::string_view text) {
  INFO(last_error());
  return std::string_view(last_error()).find(text) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a send that makes no sense is refused with a sentence, and nothing is posted") {
  SendRig rig;
  const std::byte source[16]{};
  std::byte* const end = rig.proxy(SendRig::kLength);
  CHECK(rig.update.send(source, rig.proxy(), 0) == VMMC_ERR_ZERO_LENGTH);
  CHECK(rig.update.send(source, rig.proxy(), UINTPTR_MAX) == VMMC_ERR_LENGTH_OVERFLOW);
  CHECK(rig.update.send(source, source, 1) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(rig.update.send(source, nullptr, 1) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(rig.update.send(source, rig.proxy() - 1, 1) == VMMC_ERR_OUTSIDE_PROXY);  // same page
  CHECK(rig.update.send(source, end, 1) == VMMC_ERR_OUTSIDE_PROXY);              // same page
  CHECK(rig.update.send(source, end - 1, 2) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(last_error_mentions("buffer 77 of process (2, 3)"));
  CHECK(rig.update.send(source, end - 15, 16) == VMMC_ERR_OUTSIDE_PROXY);
  vmmc_send_handle handle = 4711;
  CHECK(rig.update.start(source, end, 1, &handle) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(handle == 4711);
  CHECK(rig.queue.posted() == 0);
  CHECK(rig.update.send(source, end - 16, 16) == VMMC_OK);
  CHECK(rig.queue.posted() == 1);
}

TEST_CASE("what nicsim has said of an import is known before anything is posted") {
  SendRig rig;
  const std::byte source[16]{};
  const auto say = [&](wire::ImportPhase phase) {
    rig.nicsim.view().set_import_state(SendRig::kSlot, SendRig::kGeneration, phase);
  };
  say(wire::ImportPhase::kUnexported);
  CHECK(rig.update.send(source, rig.proxy(), 8) == VMMC_ERR_UNEXPORTED);
  CHECK(last_error_mentions("process (2, 3) has taken buffer 77 back"));
  say(wire::ImportPhase::kPeerDead);
  CHECK(rig.update.send(source, rig.proxy(), 8) == VMMC_ERR_PEER_DEAD);
  CHECK(last_error_mentions("process (2, 3), which exported buffer 77, has ended"));
  CHECK(rig.queue.posted() == 0);
}

TEST_CASE("a proxy without the write right cannot be sent to") {
  SendRig rig;
  const std::byte source[16]{};
  rig.space.retract(rig.proxy());
  rig.import.access = VMMC_READ;
  rig.space.publish(rig.import);
  CHECK(rig.update.send(source, rig.proxy(), 8) == VMMC_ERR_NOT_WRITABLE);
  rig.space.retract(rig.proxy());
  CHECK(rig.update.send(source, rig.proxy(), 8) == VMMC_ERR_OUTSIDE_PROXY);
  CHECK(rig.queue.posted() == 0);
}

TEST_CASE("the length and the place of the source decide how its bytes travel") {
  const Watchdog watchdog;
  constexpr std::size_t kStaged = DeliberateUpdate::kStagedBytes;
  SendRig rig;
  rig.nicsim.start(1);
  const std::vector<std::byte> source = pattern(200'000, 1);
  for (const std::size_t length :
       {std::size_t{1}, std::size_t{40}, std::size_t{41}, kStaged, kStaged + 1}) {
    CHECK(rig.update.send(source.data(), rig.proxy(), length) == VMMC_OK);
  }
  void* memory = rig.segments.allocate(source.size()).memory;
  REQUIRE(memory != nullptr);
  std::memcpy(memory, source.data(), source.size());
  CHECK(rig.update.send(memory, rig.proxy(1), source.size()) == VMMC_OK);
  CHECK(rig.update.send(memory, rig.proxy(1), kStaged) == VMMC_OK);
  CHECK(rig.completion.fence() == VMMC_OK);
  rig.nicsim.stop();
  CHECK(rig.kinds == std::vector{Kind::kInline, Kind::kInline, Kind::kStaged, Kind::kStaged,
                                 Kind::kStaged, Kind::kStaged, Kind::kSegment, Kind::kStaged});
  CHECK(arrived(rig, 1, source));
  CHECK(rig.malformed == 0);
}

TEST_CASE("a started send is not copied if nicsim can find its bytes") {
  const Watchdog watchdog;
  SendRig rig;
  rig.nicsim.start(1);
  constexpr std::size_t kStaged = DeliberateUpdate::kStagedBytes;
  const std::vector<std::byte> source = pattern(kStaged + 1, 1);
  void* memory = rig.segments.allocate(1000).memory;
  REQUIRE(memory != nullptr);
  vmmc_send_handle handle = 0;
  CHECK(rig.update.start(source.data(), rig.proxy(), 40, &handle) == VMMC_OK);
  CHECK(rig.update.start(source.data(), rig.proxy(), kStaged, &handle) == VMMC_OK);
  CHECK(rig.update.start(memory, rig.proxy(), 1000, &handle) == VMMC_OK);
  CHECK(rig.update.start(source.data(), rig.proxy(), kStaged + 1, &handle) == VMMC_OK);
  CHECK(rig.completion.wait(handle) == VMMC_OK);
  rig.nicsim.stop();
  CHECK(rig.kinds == std::vector{Kind::kInline, Kind::kStaged, Kind::kSegment, Kind::kMemory});
  CHECK(arrived(rig, 0, source));
}

TEST_CASE("where nicsim cannot read our memory a long send goes in staged pieces") {
  const Watchdog watchdog;
  SendRig rig(false);
  rig.nicsim.start(1);
  const std::vector<std::byte> source = pattern(SendRig::kLength - 1, 1);
  CHECK(rig.update.send(source.data(), rig.proxy(1), source.size()) == VMMC_OK);
  vmmc_send_handle handle = 0;
  CHECK(rig.update.start(source.data(), rig.proxy(), 41, &handle) == VMMC_OK);
  CHECK(rig.completion.wait(handle) == VMMC_OK);
  CHECK(rig.completion.fence() == VMMC_OK);
  rig.nicsim.stop();
  CHECK(rig.kinds.size() == source.size() / DeliberateUpdate::kStagedBytes + 2);
  CHECK(std::count(rig.kinds.begin(), rig.kinds.end(), Kind::kStaged) ==
        static_cast<std::ptrdiff_t>(rig.kinds.size()));
  CHECK(std::equal(source.begin() + 40, source.end(), rig.remote.begin() + 41));
}

TEST_CASE("bytes of any length, from anywhere to anywhere, arrive; sources are reused at once") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  for (const bool can_read_memory : {true, false}) {
    SendRig rig(can_read_memory);
    rig.nicsim.start(seed);
    auto* segment = static_cast<std::byte*>(rig.segments.allocate(SendRig::kLength).memory);
    REQUIRE(segment != nullptr);
    std::vector<std::byte> heap(SendRig::kLength);
    std::vector<std::byte> expected(SendRig::kLength);
    for (std::uint64_t n = 0; n < rounds(200); ++n) {
      const std::uint64_t limit = std::uint64_t{1} << (1 + random() % 18);
      const std::uint64_t length = 1 + random() % limit;
      const std::uint64_t from = random() % (SendRig::kLength - length);
      const std::uint64_t to = random() % (SendRig::kLength - length);
      std::byte* const source = (random() % 2 == 0 ? segment : heap.data()) + from;
      const auto bytes = pattern(length, random());
      std::copy(bytes.begin(), bytes.end(), source);
      std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<std::ptrdiff_t>(to));
      REQUIRE(rig.update.send(source, rig.proxy(to), length) == VMMC_OK);
      std::fill_n(source, length, std::byte{0xee});
    }
    REQUIRE(rig.completion.fence() == VMMC_OK);
    CHECK((rig.remote == expected));
    rig.nicsim.stop();
    CHECK(rig.malformed == 0);
  }
}

TEST_CASE("a handle says pending, then what became of the send, for as long as one likes") {
  SendRig rig;
  const std::byte source[100]{};
  vmmc_send_handle good = 0;
  vmmc_send_handle bad = 0;
  REQUIRE(rig.update.start(source, rig.proxy(), 8, &good) == VMMC_OK);
  REQUIRE(rig.update.start(source, rig.proxy(), 100, &bad) == VMMC_OK);
  CHECK(rig.completion.test(good) == VMMC_PENDING);
  CHECK(rig.completion.test(0) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.completion.test(bad + 1) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.completion.wait(bad + 1) == VMMC_ERR_BAD_HANDLE);
  CHECK(rig.completion.test(UINT64_MAX) == VMMC_ERR_BAD_HANDLE);
  rig.nicsim.serve(1);
  rig.verdict = wire::Status::kUnexported;
  rig.nicsim.serve(1);
  rig.verdict = wire::Status::kOk;
  for (int round = 0; round < 3; ++round) {
    CHECK(rig.completion.test(good) == VMMC_OK);
    CHECK(rig.completion.wait(good) == VMMC_OK);
    CHECK(rig.completion.test(bad) == VMMC_ERR_UNEXPORTED);
    CHECK(rig.completion.wait(bad) == VMMC_ERR_UNEXPORTED);
    for (int i = 0; i < 400; ++i) {
      REQUIRE(rig.update.send(source, rig.proxy(), 8) == VMMC_OK);
      rig.nicsim.serve(1);
    }
  }
}

TEST_CASE("a fence reports the first failure that its send could not, once, with the place") {
  const Watchdog watchdog;
  SendRig rig;
  const std::byte source[100]{};
  REQUIRE(rig.update.send(source, rig.proxy(), 8) == VMMC_OK);
  rig.nicsim.serve(1);
  CHECK(rig.completion.fence() == VMMC_OK);
  REQUIRE(rig.update.send(source, rig.proxy(64), 100) == VMMC_OK);
  rig.verdict = wire::Status::kUnexported;
  rig.nicsim.serve(1);
  REQUIRE(rig.update.send(source, rig.proxy(), 8) == VMMC_OK);
  rig.verdict = wire::Status::kPeerDead;
  rig.nicsim.serve(1);
  CHECK(rig.completion.fence() == VMMC_ERR_UNEXPORTED);
  char place[32];
  std::snprintf(place, sizeof place, "%p", static_cast<void*>(rig.proxy(64)));
  CHECK(last_error_mentions(place));
  CHECK(rig.completion.fence() == VMMC_OK);
}

TEST_CASE("a failure that a send or a handle reports is no fence's business") {
  const Watchdog watchdog;
  for (const bool can_read_memory : {true, false}) {
    SendRig rig(can_read_memory);
    rig.verdict = wire::Status::kBadSource;
    const std::vector<std::byte> source(100'000);
    for (const std::size_t length : {8, 100, 100'000}) {
      vmmc_send_handle handle = 0;
      REQUIRE(rig.update.start(source.data(), rig.proxy(), length, &handle) == VMMC_OK);
      rig.nicsim.serve(100);
      CHECK(rig.completion.test(handle) == VMMC_ERR_BAD_SOURCE);
      CAPTURE(length);
      CHECK(rig.completion.fence() == VMMC_OK);
    }
  }
  SendRig rig;
  rig.nicsim.start(1);
  rig.verdict = wire::Status::kUnexported;
  void* source = rig.segments.allocate(100'000).memory;  // sent in place, so that the send waits
  REQUIRE(source != nullptr);
  CHECK(rig.update.send(source, rig.proxy(), 100'000) == VMMC_ERR_UNEXPORTED);
  CHECK(rig.completion.fence() == VMMC_OK);
}

TEST_CASE("nicsim's end is the answer to everything, and results that it left are still found") {
  const Watchdog watchdog;
  SendRig rig;
  const std::byte source[16]{};
  vmmc_send_handle done = 0;
  vmmc_send_handle open = 0;
  REQUIRE(rig.update.start(source, rig.proxy(), 8, &done) == VMMC_OK);
  rig.nicsim.serve(1);
  REQUIRE(rig.update.start(source, rig.proxy(), 8, &open) == VMMC_OK);
  std::thread waiter([&] { CHECK(rig.completion.wait(open) == VMMC_ERR_NICSIM_GONE); });
  rig.waiter.announce_end();
  waiter.join();
  CHECK(rig.completion.test(done) == VMMC_OK);
  CHECK(rig.completion.test(open) == VMMC_ERR_NICSIM_GONE);
  CHECK(rig.update.send(source, rig.proxy(), 8) == VMMC_ERR_NICSIM_GONE);
  CHECK(rig.update.start(source, rig.proxy(), 8, &open) == VMMC_ERR_NICSIM_GONE);
  CHECK(rig.completion.fence() == VMMC_ERR_NICSIM_GONE);
}

TEST_CASE("threads that send to their own words all arrive") {
  const Watchdog watchdog;
  SendRig rig;
  rig.nicsim.start(1);
  std::vector<std::thread> senders;
  constexpr std::size_t kSenders = 4;
  const std::uint64_t last = rounds(2000);
  std::atomic<int> wrong{0};
  for (std::size_t i = 0; i < kSenders; ++i) {
    senders.emplace_back([&, i] {
      for (std::uint64_t n = 1; n <= last; ++n) {
        if (rig.update.send(&n, rig.proxy(8 * i), sizeof n) != VMMC_OK) ++wrong;
        if (n % 100 == 0 && rig.completion.fence() != VMMC_OK) ++wrong;
      }
    });
  }
  for (auto& sender : senders) sender.join();
  CHECK(rig.completion.fence() == VMMC_OK);
  CHECK(wrong == 0);
  for (std::size_t i = 0; i < kSenders; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, rig.remote.data() + 8 * i, sizeof word);
    CHECK(word == last);
  }
}
