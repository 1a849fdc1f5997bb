// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/write_probe.h"

#include <doctest/doctest.h>

#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {
namespace {

TEST_CASE("a page can be written if its protection allows it, and stays as it is") {
  const TestPages pages(1);
  const std::uintptr_t last = pages.range().end - 1;
  CHECK(can_be_written(pages.range().begin));
  CHECK(can_be_written(last));
  CHECK(pages.holds_pattern());
  must(::mprotect(pages.data(), pages.bytes(), PROT_READ) == 0, "mprotect works");
  CHECK_FALSE(can_be_written(last));
  must(::mprotect(pages.data(), pages.bytes(), PROT_NONE) == 0, "mprotect works");
  CHECK_FALSE(can_be_written(last));
}

TEST_CASE("memory that is not mapped cannot be written") {
  std::uintptr_t address = 0;
  {
    const TestPages pages(1);
    address = pages.range().begin;
  }
  CHECK_FALSE(can_be_written(address));
  CHECK_FALSE(can_be_written(0));
}

}  // namespace
}  // namespace vmmc::internal
