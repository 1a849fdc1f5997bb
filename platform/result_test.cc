// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/result.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

namespace vmmc::platform {
namespace {

TEST_CASE("a value") {
  Result<int> result(7);
  REQUIRE(result.ok());
  CHECK(result.value() == 7);
  result.value() = 8;
  CHECK(std::as_const(result).value() == 8);
}

TEST_CASE("a value that looks like nothing is a value") {
  CHECK(Result<int>(0).ok());
  CHECK(Result<bool>(false).ok());
  CHECK(Result<void*>(nullptr).ok());
}

TEST_CASE("an error") {
  const Result<int> result(SystemError{"mmap", ENOMEM});
  REQUIRE_FALSE(result.ok());
  CHECK(std::string(result.error().call) == "mmap");
  CHECK(result.error().number == ENOMEM);
}

TEST_CASE("the error of the call that has just failed") {
  errno = EMFILE;
  const SystemError error = last_system_error("socket");
  errno = 0;
  CHECK(std::string(error.call) == "socket");
  CHECK(error.number == EMFILE);
}

TEST_CASE("a value that can only be moved goes in, through and out") {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  Result<std::unique_ptr<int>> result = make();
  Result<std::unique_ptr<int>> other = std::move(result);
  REQUIRE(other.ok());
  const std::unique_ptr<int> value = std::move(other.value());
  CHECK(*value == 7);
}

}  // namespace
}  // namespace vmmc::platform
