// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/parts/departure_order.h"

#include <doctest/doctest.h>

using vmmc::nicsim::OutgoingPageTable;
using namespace vmmc::nicsim::parts;

TEST_CASE("departure order: one process to one node, and no further") {
  const OutgoingPageTable a(1);
  const OutgoingPageTable b(1);
  DepartureOrder order;
  const auto first = order.enter({&a, 1});
  const auto second = order.enter({&a, 1});
  const auto other_node = order.enter({&a, 2});
  const auto other_process = order.enter({&b, 1});
  CHECK(order.may_leave({&a, 1}, first));
  CHECK_FALSE(order.may_leave({&a, 1}, second));
  CHECK(order.may_leave({&a, 2}, other_node));
  CHECK(order.may_leave({&b, 1}, other_process));
  order.left({&a, 1}, first);
  CHECK(order.may_leave({&a, 1}, second));
}

TEST_CASE("departure order: who waits for those before his opening waits for no later one") {
  const OutgoingPageTable a(1);
  DepartureOrder order;
  const auto before = order.enter({&a, 1});
  const auto opened = order.next();
  const auto meanwhile = order.enter({&a, 1});
  const auto closed = order.enter({&a, 1});
  CHECK_FALSE(order.may_leave({&a, 1}, opened));
  order.left({&a, 1}, before);
  CHECK(order.may_leave({&a, 1}, opened));
  order.left({&a, 1}, closed);
  CHECK(order.may_leave({&a, 1}, meanwhile));
  // All have left: numbers still grow.
  order.left({&a, 1}, meanwhile);
  CHECK(order.enter({&a, 1}) > closed);
  CHECK(order.may_leave({&a, 1}, opened));
}
