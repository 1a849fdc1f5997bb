// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/waiting_imports.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "nicsim/process.h"

using namespace vmmc;
using nicsim::Process;
using nicsim::WaitingImports;

namespace {

wire::ImportRequest request_for(std::uint32_t process, std::uint32_t buffer, std::uint32_t number) {
  wire::ImportRequest request{};
  request.header.request = number;
  request.node = 1;
  request.process = process;
  request.buffer_id = buffer;
  return request;
}

struct Fixture {
  Process first{wire::kPageSize};
  Process second{wire::kPageSize};
  WaitingImports waiting;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "who waits for a buffer is found in the order of coming") {
  waiting.add(first, request_for(7, 1, 10));
  waiting.add(second, request_for(7, 1, 10));
  waiting.add(first, request_for(7, 2, 11));
  CHECK(waiting.count(first) == 2);
  CHECK(waiting.first_for(0, 7, 1) == nullptr);
  CHECK(waiting.first_for(1, 7, 3) == nullptr);
  const auto* found = waiting.first_for(1, 7, 1);
  REQUIRE(found != nullptr);
  CHECK(found->importer == &first);
  waiting.drop(found);
  found = waiting.first_for(1, 7, 1);
  REQUIRE(found != nullptr);
  CHECK(found->importer == &second);
  waiting.drop(found);
  CHECK(waiting.first_for(1, 7, 1) == nullptr);
  CHECK(waiting.count(first) == 1);
  CHECK(waiting.count(second) == 0);
}

TEST_CASE_FIXTURE(Fixture,
                  "a request is taken back by its number, once for each time it was made") {
  waiting.add(first, request_for(7, 1, 10));
  waiting.add(first, request_for(7, 2, 10));
  waiting.add(second, request_for(7, 1, 10));
  REQUIRE(waiting.take(first, 10).has_value());
  REQUIRE(waiting.take(first, 10).has_value());
  CHECK_FALSE(waiting.take(first, 10).has_value());
  CHECK_FALSE(waiting.take(second, 11).has_value());
  CHECK(waiting.count(first) == 0);
  CHECK(waiting.first_for(1, 7, 1)->importer == &second);
}

TEST_CASE_FIXTURE(Fixture, "an importer who leaves waits for nothing") {
  waiting.add(first, request_for(7, 1, 10));
  waiting.add(second, request_for(7, 1, 11));
  waiting.add(first, request_for(8, 1, 12));
  waiting.forget(first);
  CHECK(waiting.count(first) == 0);
  CHECK(waiting.first_for(1, 8, 1) == nullptr);
  CHECK(waiting.first_for(1, 7, 1)->importer == &second);
}

TEST_CASE_FIXTURE(Fixture, "what waits for others is not looked at") {
  constexpr std::uint32_t kMany = 2000;
  for (std::uint32_t i = 0; i < kMany; ++i) waiting.add(first, request_for(i, i, i));
  const std::uint64_t before = waiting.looks();
  waiting.drop(waiting.first_for(1, 1000, 1000));
  CHECK(waiting.first_for(1, 1000, 1000) == nullptr);
  (void)waiting.take(first, 1001);
  CHECK(waiting.looks() - before == 2);
  waiting.forget(second);
  CHECK(waiting.looks() - before == 2);
  CHECK(waiting.count(first) == kMany - 2);
}
