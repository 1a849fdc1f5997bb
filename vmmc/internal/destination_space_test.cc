// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/destination_space.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

using namespace vmmc;
using namespace vmmc::internal;

namespace {

constexpr std::uint64_t kBytes = std::uint64_t{64} << 30;

std::unique_ptr<DestinationSpace> make_space(std::uint64_t bytes = kBytes) {
  auto space = std::make_unique<DestinationSpace>();
  REQUIRE(space->reserve(bytes, bytes).ok());
  return space;
}

Import make_import(std::uint32_t slot, std::uint64_t first, std::uint64_t length) {
  return {.slot = slot,
          .generation = slot + 100,
          .access = VMMC_WRITE,
          .buffer_id = slot + 1000,
          .exporter = {1, 2},
          .first = first,
          .length = length};
}

}  // namespace

TEST_CASE("an address finds its import, from the first page to the last") {
  auto space = make_space();
  REQUIRE(space->publish(make_import(7, 4096 * 5 + 400, 8192)));
  for (const std::uint64_t offset : {4096 * 5, 4096 * 5 + 400, 4096 * 7, 4096 * 8 - 1}) {
    const auto import = space->resolve(space->address_of(offset));
    REQUIRE(import.has_value());
    CHECK(import->slot == 7);
    CHECK(import->generation == 107);
    CHECK(import->buffer_id == 1007);
    CHECK(import->exporter.node == 1);
    CHECK(import->exporter.process == 2);
    CHECK(import->first == 4096 * 5 + 400);
    CHECK(import->length == 8192);
  }
  CHECK_FALSE(space->resolve(space->address_of(4096 * 5 - 1)).has_value());
  CHECK_FALSE(space->resolve(space->address_of(4096 * 8)).has_value());
}

TEST_CASE("addresses outside of the space are no proxies") {
  auto space = make_space();
  int local = 0;
  CHECK_FALSE(space->contains(&local));
  CHECK_FALSE(space->contains(nullptr));
  CHECK_FALSE(space->resolve(&local).has_value());
  CHECK_FALSE(space->resolve(nullptr).has_value());
  CHECK_FALSE(space->resolve(space->address_of(kBytes)).has_value());
  CHECK(space->contains(space->address_of(0)));
  CHECK_FALSE(space->contains(space->address_of(kBytes)));
}

TEST_CASE("what does not fit is refused") {
  auto space = make_space(1 << 20);
  CHECK_FALSE(space->publish(make_import(0, 0, (1 << 20) + 1)));
  CHECK_FALSE(space->publish(make_import(0, 1 << 20, 1)));
  CHECK_FALSE(space->publish(make_import(0, 8, UINT64_MAX)));
  CHECK_FALSE(space->publish(make_import(0, 0, 0)));
  CHECK_FALSE(space->publish(make_import(wire::kImportSlots, 0, 1)));
  CHECK(space->publish(make_import(wire::kImportSlots - 1, 0, 1 << 20)));
}

TEST_CASE("retract wants the first byte, once") {
  auto space = make_space();
  REQUIRE(space->publish(make_import(3, 4096 + 8, 100)));
  CHECK_FALSE(space->retract(space->address_of(4096)).has_value());
  CHECK_FALSE(space->retract(space->address_of(4096 + 9)).has_value());
  const auto import = space->retract(space->address_of(4096 + 8));
  REQUIRE(import.has_value());
  CHECK(import->slot == 3);
  CHECK_FALSE(space->retract(space->address_of(4096 + 8)).has_value());
  CHECK_FALSE(space->resolve(space->address_of(4096 + 8)).has_value());
}

TEST_CASE("a space that cannot be reserved is an error") {
  DestinationSpace space;
  CHECK_FALSE(space.reserve(std::uint64_t{1} << 60, std::uint64_t{1} << 58).ok());
  CHECK_FALSE(space.contains(nullptr));
}

TEST_CASE("takes what there is, down to the least that was asked for") {
  const std::uint64_t most = std::uint64_t{1} << 50;  // more than a process can have
  DestinationSpace space;
  REQUIRE(space.reserve(most, std::uint64_t{1} << 30).ok());
  CHECK(space.bytes() < most);
  CHECK(space.bytes() >= std::uint64_t{1} << 30);
  CHECK(most % space.bytes() == 0);
  CHECK(space.contains(space.address_of(space.bytes() - 1)));
}

TEST_CASE("a reader that races with publish and retract sees whole imports or none") {
  auto space = make_space();
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) {
      const auto import = space->resolve(space->address_of(4096));
      // Each generation has its own length, so that a mixture would show.
      if (import && import->length != import->generation) stop.store(true);
    }
  });
  for (std::uint32_t n = 1; n < 100000; ++n) {
    Import import = make_import(n % 3, 4096, 0);
    import.generation = 1 + n % 4000;
    import.length = import.generation;
    REQUIRE(space->publish(import));
    REQUIRE(space->retract(space->address_of(4096)).has_value());
  }
  CHECK_FALSE(stop.exchange(true));
  reader.join();
}
