// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/collectives/arithmetic.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

using namespace vmmc::collectives;

namespace {

template <typename T>
T combined(vmmc_type type, vmmc_operation operation, T left, T right) {
  combine_of(type, operation)(&left, &right, 1);
  return left;
}

}  // namespace

TEST_CASE("every type has its size, and the operations that make sense for it") {
  const std::size_t sizes[] = {4, 4, 8, 8, 4, 8};
  for (int i = 0; i < 6; ++i) {
    const auto type = static_cast<vmmc_type>(i);
    CHECK(is_type(type));
    CHECK(size_of(type) == sizes[i]);
    for (int j = 0; j < 7; ++j) {
      const auto operation = static_cast<vmmc_operation>(j);
      CHECK(is_operation(operation));
      const bool refused = i >= VMMC_FLOAT && j >= VMMC_AND;
      CHECK((combine_of(type, operation) == nullptr) == refused);
    }
  }
  CHECK(!is_type(static_cast<vmmc_type>(6)));
  CHECK(!is_type(static_cast<vmmc_type>(7)));
  CHECK(!is_operation(static_cast<vmmc_operation>(7)));
  CHECK(std::string(name_of(VMMC_DOUBLE)) == "VMMC_DOUBLE");
  CHECK(std::string(name_of(VMMC_XOR)) == "VMMC_XOR");
}

TEST_CASE("integers wrap, and minima and maxima know signs") {
  constexpr std::int32_t kLargest = std::numeric_limits<std::int32_t>::max();
  constexpr std::int64_t kLargest64 = std::numeric_limits<std::int64_t>::max();
  CHECK(combined(VMMC_INT32, VMMC_SUM, kLargest, 1) == std::numeric_limits<std::int32_t>::min());
  CHECK(combined(VMMC_INT32, VMMC_PRODUCT, kLargest, 2) == -2);
  CHECK(combined(VMMC_INT64, VMMC_PRODUCT, kLargest64, std::int64_t{2}) == -2);
  CHECK(combined(VMMC_INT32, VMMC_MIN, -1, 1) == -1);
  CHECK(combined(VMMC_UINT32, VMMC_MIN, 0xffffffffu, 1u) == 1);
  CHECK(combined(VMMC_UINT64, VMMC_MAX, ~std::uint64_t{0}, std::uint64_t{1}) == ~std::uint64_t{0});
  CHECK(combined(VMMC_INT64, VMMC_MAX, std::int64_t{-1}, std::int64_t{1}) == 1);
  CHECK(combined(VMMC_UINT32, VMMC_AND, 12u, 10u) == 8);
  CHECK(combined(VMMC_INT32, VMMC_OR, 12, 10) == 14);
  CHECK(combined(VMMC_UINT64, VMMC_XOR, std::uint64_t{12}, std::uint64_t{10}) == 6);
}

TEST_CASE("floating point") {
  CHECK(combined(VMMC_FLOAT, VMMC_SUM, 0.5f, 0.25f) == 0.75f);
  CHECK(combined(VMMC_DOUBLE, VMMC_PRODUCT, 3.0, -2.0) == -6.0);
  CHECK(combined(VMMC_DOUBLE, VMMC_MIN, 3.0, -2.0) == -2.0);
  CHECK(combined(VMMC_FLOAT, VMMC_MAX, 3.0f, -2.0f) == 3.0f);
}

TEST_CASE("all elements are combined, and none besides") {
  std::int32_t left[40];
  std::int32_t right[40];
  for (std::int32_t i = 0; i < 40; ++i) {
    left[i] = i;
    right[i] = 1000 * i;
  }
  combine_of(VMMC_INT32, VMMC_SUM)(left, right, 37);
  for (std::int32_t i = 0; i < 40; ++i) {
    CHECK(left[i] == (i < 37 ? 1001 * i : i));
    CHECK(right[i] == 1000 * i);
  }
}
