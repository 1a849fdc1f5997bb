// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/status_name.h"

#include <doctest/doctest.h>

#include <string>

#include "vmmc/types.h"

using namespace vmmc;

TEST_CASE("statuses have the names that programs know") {
  const auto name = [](int number) {
    return std::string(nicsim::status_name(static_cast<wire::Status>(number)));
  };
  CHECK(name(VMMC_OK) == "OK");
  CHECK(name(VMMC_ERR_VERSION) == "VERSION");
  CHECK(name(VMMC_ERR_PERMISSION_DENIED) == "PERMISSION_DENIED");
  CHECK(name(VMMC_ERR_CANCELLED) == "CANCELLED");
  CHECK(name(VMMC_ERR_UNKNOWN_EXPORT) == "UNKNOWN_EXPORT");
  CHECK(name(VMMC_ERR_OUTSIDE_PROXY) == "OUTSIDE_PROXY");
  CHECK(name(VMMC_ERR_NOT_READABLE) == "NOT_READABLE");
  CHECK(name(VMMC_ERR_MALFORMED) == "MALFORMED");
  CHECK(name(-90) == "TRACE_IS_ON");
  CHECK(name(-1000) == "UNKNOWN");
}

TEST_CASE("every name and every reason belongs to one status") {
  for (int left = -100; left <= 0; ++left) {
    const auto status = static_cast<wire::Status>(left);
    const std::string name = nicsim::status_name(status);
    if (name == "UNKNOWN") continue;
    for (int right = left + 1; right <= 0; ++right) {
      const auto other = static_cast<wire::Status>(right);
      CHECK(name != nicsim::status_name(other));
      CHECK(std::string(nicsim::status_reason(status)) != nicsim::status_reason(other));
    }
  }
}
