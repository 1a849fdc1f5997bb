// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/actor/command.h"

#include <doctest/doctest.h>

namespace vmmc::lab {
namespace {

Command command(const char* text) { return Command(boost::json::parse(text).as_object()); }

TEST_CASE("a number is whole, and in its limits") {
  CHECK(command(R"({"n": 3})").number("n", 1, 5) == 3);
  CHECK(command(R"({})").number("n", 1, 5, 4) == 4);
  CHECK(command(R"({"n": null})").number("n", 1, 5, 4) == 4);
  for (const char* const text :
       {R"({"n": 0})", R"({"n": 6})", R"({"n": -1})", R"({"n": 2.5})", R"({"n": "3"})",
        R"({"n": []})", R"({"n": 1e30})", R"({})", R"({"n": true})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(command(text).number("n", 1, 5), Nonsense);
  }
}

TEST_CASE("a name has letters, digits and hyphens") {
  CHECK(command(R"({"as": "to-carol-2"})").name("as") == "to-carol-2");
  CHECK(command(R"({"as": "12345678901234567890123456789012"})").name("as").size() == 32);
  for (const char* const text :
       {R"({"as": ""})", R"({"as": "a b"})", R"({"as": "a\u00e9"})", R"({"as": 3})",
        R"({"as": "123456789012345678901234567890123"})", R"({})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(command(text).name("as"), Nonsense);
  }
}

TEST_CASE("a choice is one of its words") {
  CHECK(command(R"({"by": "b"})").choice("by", {"a", "b"}) == 1);
  CHECK(command(R"({})").choice("by", {"a", "b"}, 0) == 0);
  CHECK_THROWS_WITH_AS(command(R"({"by": "c"})").choice("by", {"a", "b"}),
                       "\"by\" is none of: a, b", Nonsense);
  CHECK_THROWS_AS(command(R"({})").choice("by", {"a", "b"}), Nonsense);
}

TEST_CASE("flags and texts have their type") {
  CHECK(command(R"({"f": true})").flag("f", false));
  CHECK_FALSE(command(R"({})").flag("f", false));
  CHECK_THROWS_AS(command(R"({"f": 1})").flag("f", false), Nonsense);
  CHECK(command(R"({"t": "abc"})").text("t", 3) == "abc");
  CHECK_THROWS_AS(command(R"({"t": "abcd"})").text("t", 3), Nonsense);
}

TEST_CASE("an identity may leave out what may be any") {
  const vmmc_identity both = command(R"({"for": {"node": 1, "process": 2}})").identity("for");
  CHECK(both.node == 1);
  CHECK(both.process == 2);
  CHECK(command(R"({"for": {"node": 1}})").identity("for").process == VMMC_ANY);
  CHECK_THROWS_AS(command(R"({"for": 1})").identity("for"), Nonsense);
  CHECK_THROWS_AS(command(R"({"for": {"node": "x"}})").identity("for"), Nonsense);
}

TEST_CASE("bytes as digits and as text") {
  CHECK(hex_of("\x01\xff", 2) == "01ff");
  CHECK(text_of("a\n\xff", 3) == "a..");
  CHECK(print("%s %d", "x", 7) == "x 7");
}

}  // namespace
}  // namespace vmmc::lab
