// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What becomes of stores to bound pages, one thread at a time.

#include <doctest/doctest.h>

#include "vmmc/internal/automatic/testing/bound_pages.h"
#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
namespace wire = vmmc::wire;

TEST_CASE("consecutive stores make one packet, which a flush sends") {
  const Watchdog watchdog;
  for (const int capture : kCaptures) {
    for (const int combining : {VMMC_COMBINE_BLOCK, VMMC_COMBINE_TIMER}) {
      Bound bound(capture, combining);
      for (std::size_t i = 0; i < 10; ++i) bound.store<std::uint64_t>(8 * i, i + 1);
      CHECK(bound.rig.nicsim.serve(100) == 0);
      bound.rig.settle();
      CHECK(bound.shape() == "0+80 ");
      CHECK(bound.same());
      CHECK(bound.rig.malformed == 0);
    }
  }
}

TEST_CASE("a store that does not follow, and the end of a page, send the packet") {
  const Watchdog watchdog;
  for (const int capture : kCaptures) {
    Bound bound(capture, VMMC_COMBINE_BLOCK);
    bound.store<std::uint32_t>(100, 1);
    bound.store<std::uint32_t>(200, 2);
    bound.rig.nicsim.serve(100);
    CHECK(bound.shape() == "100+4 ");
    bound.store<std::uint64_t>(kPage - 8, 3);
    bound.rig.nicsim.serve(100);
    CHECK(bound.shape() == "100+4 200+4 4088+8 ");
    bound.store<std::uint64_t>(kPage, 4);
    bound.rig.settle();
    CHECK(bound.shape() == "100+4 200+4 4088+8 4096+8 ");
    CHECK(bound.same());
  }
}

TEST_CASE("one packet for each store, or for each word") {
  const Watchdog watchdog;
  for (const int capture : kCaptures) {
    Bound single(capture, VMMC_COMBINE_SINGLE);
    Bound off(capture, VMMC_COMBINE_OFF);
    Bound notify(capture, VMMC_COMBINE_BLOCK, 1);
    for (Bound* bound : {&single, &off, &notify}) {
      bound->store<std::uint64_t>(0, 1);
      bound->store<std::uint32_t>(8, 2);
      bound->store<std::uint8_t>(13, 3);
      bound->rig.nicsim.serve(100);
      CHECK(bound->same());
      CHECK(bound->rig.malformed == 0);
    }
    CHECK(single.shape() == "0+8 8+4 13+1 ");
    CHECK(off.shape() == "0+4 4+4 8+4 13+1 ");
    CHECK(notify.shape() == off.shape());
    CHECK(!off.rig.packets[0].notify);
    for (const SeenPacket& packet : notify.rig.packets) CHECK(packet.notify);
  }
}

TEST_CASE("a copy is one store for each page") {
  const Watchdog watchdog;
  std::vector<std::byte> source(2 * kPage);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 7 + 1);
  for (const int combining : {VMMC_COMBINE_SINGLE, VMMC_COMBINE_BLOCK}) {
    Bound bound(VMMC_CAPTURE_TRAP, combining);
    CHECK(typed_copy(bound.handle, bound.local.at(50), source.data(), source.size()) == VMMC_OK);
    CHECK(typed_copy(bound.handle, bound.local.at(0), source.data(), 0) == VMMC_OK);
    bound.rig.settle();
    CHECK(bound.shape() == "50+4046 4096+4096 8192+50 ");
    CHECK(bound.same());
  }
}

TEST_CASE("a long packet whose every word is a packet goes piece by piece") {
  const Watchdog watchdog;
  Bound bound(VMMC_CAPTURE_TYPED, VMMC_COMBINE_OFF);
  bound.rig.nicsim.start(1);
  const std::vector<std::byte> source(kPage, std::byte{9});
  CHECK(typed_copy(bound.handle, bound.local.at(), source.data(), source.size()) == VMMC_OK);
  bound.rig.nicsim.stop();
  CHECK(bound.rig.packets.size() == kPage / 4);
  CHECK(bound.same());
}

TEST_CASE("stores to one buffer keep their order through several bindings") {
  const Watchdog watchdog;
  AutomaticRig rig;
  ProgramPages local(2);
  vmmc_binding* const first = rig.bind(local.at(), kPage, options_of(3, VMMC_COMBINE_BLOCK));
  vmmc_binding* const second =
      rig.bind(local.at(kPage), kPage, options_of(1, VMMC_COMBINE_BLOCK), 5 * kPage);
  CHECK(typed_store(first, local.word<std::uint32_t>(0), 1u) == VMMC_OK);
  rig.capture.store(local.word<std::uint32_t>(kPage), 2u);
  CHECK(typed_store(second, local.word<std::uint32_t>(kPage + 4), 3u) == VMMC_OK);
  CHECK(typed_store(first, local.word<std::uint32_t>(4), 4u) == VMMC_OK);
  const auto& packets = rig.settle();
  REQUIRE(packets.size() == 3);
  CHECK(packets[0].offset == 0);
  CHECK(packets[1].offset == 5 * kPage);
  CHECK(packets[1].bytes.size() == 8);
  CHECK(packets[2].offset == 4);
}

TEST_CASE("unbind sends the rest, and gives the pages back as they were") {
  const Watchdog watchdog;
  for (const int capture : kCaptures) {
    Bound bound(capture, VMMC_COMBINE_BLOCK);
    bound.store<std::uint64_t>(8, 42);
    CHECK(bound.rig.update.unbind(bound.handle) == VMMC_OK);
    bound.rig.nicsim.serve(10);
    CHECK(bound.shape() == "8+8 ");
    CHECK(*bound.local.word<std::uint64_t>(8) == 42);
    *bound.local.word<std::uint64_t>(16) = 43;
    CHECK(bound.rig.settle().size() == 1);
    CHECK(bound.rig.capture.watched() == 0);
    CHECK(!bound.rig.segments.find(bound.local.at(), 8));
    CHECK(bound.rig.update.unbind(bound.handle) == VMMC_ERR_BAD_HANDLE);
    CHECK(typed_store(bound.handle, bound.local.word<std::uint64_t>(8), std::uint64_t{1}) ==
          VMMC_ERR_BAD_HANDLE);
    // The same pages once more.
    bound.handle = bound.rig.bind(bound.local.at(), kPage, options_of(capture, 2));
    bound.store<std::uint64_t>(8, 44);
    bound.rig.settle();
    CHECK(bound.rig.packets.back().offset == 8);
  }
}

TEST_CASE("bound memory may be allocated, and exported") {
  const Watchdog watchdog;
  AutomaticRig rig;
  const auto allocated = rig.segments.allocate(2 * kPage);
  auto* const words = static_cast<std::uint32_t*>(allocated.memory);
  vmmc_binding* const handle = rig.bind(words, 2 * kPage, options_of(1, 2));
  rig.capture.store(words + 1, 7u);
  CHECK(words[1] == 7);
  CHECK(rig.segments.free(words).status == VMMC_ERR_IN_USE);
  const auto exported = rig.segments.cover(words, kPage);
  CHECK(exported.verdict.ok());
  CHECK(rig.update.unbind(handle) == VMMC_OK);
  rig.segments.release(words, kPage);
  CHECK(rig.segments.free(words).ok());
  CHECK(rig.settle().size() == 1);
}

TEST_CASE("pages of several segments are one binding") {
  const Watchdog watchdog;
  AutomaticRig rig;
  ProgramPages local(4);
  REQUIRE(rig.segments.cover(local.at(kPage), kPage).verdict.ok());
  rig.bind(local.at(), 4 * kPage, options_of(1, 2));
  for (std::size_t page = 0; page < 4; ++page) {
    rig.capture.store(local.word<std::uint32_t>(page * kPage + 4), 100u + unsigned(page));
    CHECK(*local.word<std::uint32_t>(page * kPage + 4) == 100u + page);
  }
  rig.settle();
  CHECK(std::memcmp(local.at(), rig.remote.data(), 4 * kPage) == 0);
}
