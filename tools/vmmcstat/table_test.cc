// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/table.h"

#include <doctest/doctest.h>

using namespace vmmc::stat;

TEST_CASE("columns are as wide as what they hold, numbers right, text left") {
  Table table({"number", "<text", "n", "<more"});
  table.add({"1", "a", "123", "x"});
  table.add({"12345678", "longer", "4", ""});
  CHECK(table.lines() == std::vector<std::string>{"  number  text      n  more",  //
                                                  "       1  a       123  x",     //
                                                  "12345678  longer    4"});
}

TEST_CASE("numbers have three digits that count, and a unit, from 10000 on") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(0.4) == "0");
  CHECK(short_number(9999) == "9999");
  CHECK(short_number(10'000) == "10.0k");
  CHECK(short_number(123'456) == "123k");
  CHECK(short_number(999'400) == "999k");
  CHECK(short_number(999'600) == "1.00M");
  CHECK(short_number(4'570'000) == "4.57M");
  CHECK(short_number(18446744073709551615.0) == "18.4E");
}

TEST_CASE("durations") {
  CHECK(duration(0) == "0 ns");
  CHECK(duration(999) == "999 ns");
  CHECK(duration(1000) == "1.00 us");
  CHECK(duration(12'345) == "12.3 us");
  CHECK(duration(999'600) == "1.00 ms");
  CHECK(duration(4'570'000) == "4.57 ms");
  CHECK(duration(1'200'000'000) == "1.20 s");
  CHECK(duration(3'600'000'000'000) == "3600 s");
}
