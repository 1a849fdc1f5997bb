// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/request_check.h"

#include <doctest/doctest.h>

namespace vmmc::nicsim::web {
namespace {

TEST_CASE("the port is part of the name") {
  const RequestCheck check("127.0.0.1", 8080);
  CHECK(check.host_is_own("localhost:8080"));
  for (const char* other : {"localhost", "localhost:80", "localhost:18080", ":8080", ""}) {
    CAPTURE(other);
    CHECK(!check.host_is_own(other));
  }
}

TEST_CASE("at port 80 it may be left out, as browsers do") {
  const RequestCheck check("127.0.0.1", 80);
  for (const char* own : {"127.0.0.1", "127.0.0.1:80", "localhost", "[::1]"}) {
    CAPTURE(own);
    CHECK(check.host_is_own(own));
  }
  for (const char* other : {"evil.example", "evil.example:80", "localhost:8080", "", ":80"}) {
    CAPTURE(other);
    CHECK(!check.host_is_own(other));
  }
  CHECK(RequestCheck::origin_is_own("http://localhost", "localhost"));
}

}  // namespace
}  // namespace vmmc::nicsim::web
