// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/notifications/handler_table.h"

#include <doctest/doctest.h>

#include <set>
#include <thread>
#include <vector>

#include "vmmc/internal/testing/runs.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;

namespace {

void one(const vmmc_notification*, void*) {}
void other(const vmmc_notification*, void*) {}

// All four values follow from `id`, so that a mixture shows.
NotificationHandler make(std::uint32_t id) {
  return {id % 2 == 0 ? one : other, reinterpret_cast<void*>(std::uintptr_t{id} * 8),
          reinterpret_cast<void*>(std::uintptr_t{id} * 4096), id};
}

bool whole(const NotificationHandler& found) {
  const NotificationHandler made = make(found.buffer_id);
  return found.handler == made.handler && found.argument == made.argument &&
         found.buffer == made.buffer;
}

std::uint64_t add(HandlerTable& table, std::uint32_t id) {
  std::uint64_t cookie = 0;
  REQUIRE(table.add(make(id), &cookie) == VMMC_OK);
  REQUIRE(cookie != 0);
  return cookie;
}

}  // namespace

TEST_CASE("a handler is found by its cookie until it is retired") {
  HandlerTable table;
  NotificationHandler found;
  CHECK_FALSE(table.find(0, found));
  CHECK_FALSE(table.find(1 << 16, found));  // nothing was added yet
  const std::uint64_t first = add(table, 7);
  const std::uint64_t second = add(table, 8);
  REQUIRE(table.find(first, found));
  CHECK(found.buffer_id == 7);
  CHECK(whole(found));
  table.retire(first);
  CHECK_FALSE(table.find(first, found));
  table.retire(first);
  table.retire(0);
  table.retire(UINT64_MAX);
  REQUIRE(table.find(second, found));
  CHECK(found.buffer_id == 8);
}

TEST_CASE("65536 at once, and a cookie is not given twice") {
  HandlerTable table;
  std::set<std::uint64_t> cookies;
  for (std::uint32_t i = 0; i < HandlerTable::kCapacity; ++i) cookies.insert(add(table, i));
  CHECK(cookies.size() == HandlerTable::kCapacity);
  std::uint64_t cookie = 0;
  CHECK(table.add(make(1), &cookie) == VMMC_ERR_TOO_MANY_EXPORTS);
  const std::uint64_t freed = *cookies.rbegin();
  table.retire(freed);
  const std::uint64_t next = add(table, 3);
  CHECK(cookies.insert(next).second);
  NotificationHandler found;
  CHECK_FALSE(table.find(freed, found));
  CHECK(table.find(next, found));
  CHECK(table.add(make(1), &cookie) == VMMC_ERR_TOO_MANY_EXPORTS);
}

TEST_CASE("a slot that is used again waits for nobody") {
  HandlerTable table;
  const std::uint64_t cookie = add(table, 1);
  CHECK_FALSE(table.awaited(cookie));
  table.begin_wait(cookie);
  table.begin_wait(cookie);
  table.end_wait(cookie);
  CHECK(table.awaited(cookie));
  table.retire(cookie);
  table.end_wait(cookie);
  const std::uint64_t next = add(table, 2);
  REQUIRE(next % HandlerTable::kCapacity == cookie % HandlerTable::kCapacity);
  CHECK_FALSE(table.awaited(next));
  CHECK_FALSE(table.awaited(60'000));  // of a chunk that is not there
}

TEST_CASE("what is found while slots change is whole") {
  const Watchdog watchdog;
  HandlerTable table;
  std::atomic<std::uint64_t> latest{add(table, 0)};
  std::atomic<bool> stop{false};
  std::uint64_t hits = 0;
  std::uint64_t mixed = 0;
  std::thread reader([&] {
    NotificationHandler found;
    while (!stop) {
      if (!table.find(latest, found)) continue;
      ++hits;
      if (!whole(found)) ++mixed;
    }
  });
  for (std::uint32_t id = 1; id < 100'000; ++id) {
    table.retire(latest);
    latest = add(table, id);
  }
  ::usleep(10'000);
  stop = true;
  reader.join();
  CHECK(mixed == 0);
  CHECK(hits > 0);
}
