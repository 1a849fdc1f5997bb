// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/output_prefixer.h"

#include <doctest/doctest.h>

#include <random>

namespace vmmc::run {
namespace {

TEST_CASE("a line is held back until its newline has come") {
  OutputPrefixer prefixer("[3] ");
  CHECK(prefixer.feed("ab").empty());
  CHECK(prefixer.feed("c\nd") == "[3] abc\n");
  CHECK(prefixer.feed("").empty());
  CHECK(prefixer.feed("\n\nx\ny\n") == "[3] d\n[3] \n[3] x\n[3] y\n");
  CHECK(prefixer.finish().empty());
}

TEST_CASE("the last line needs no newline") {
  OutputPrefixer prefixer("[0] ");
  CHECK(prefixer.feed("a\nlast") == "[0] a\n");
  CHECK(prefixer.finish() == "[0] last\n");
  CHECK(prefixer.finish().empty());
}

TEST_CASE("zero bytes pass unchanged") {
  OutputPrefixer prefixer("> ");
  using namespace std::string_view_literals;
  CHECK(prefixer.feed("a\0b\n"sv) == "> a\0b\n"sv);
}

TEST_CASE("a line of the greatest length stays whole and a longer one is cut") {
  const std::string longest(OutputPrefixer::kMaxLine, 'x');
  OutputPrefixer prefixer("> ");
  CHECK(prefixer.feed(longest + "\n") == "> " + longest + "\n");
  CHECK(prefixer.feed(longest).empty());
  CHECK(prefixer.feed("\n") == "> " + longest + "\n");
  CHECK(prefixer.feed(longest + "yz") == "> " + longest + "\n");
  CHECK(prefixer.finish() == "> yz\n");
  CHECK(prefixer.feed(longest).empty());
  CHECK(prefixer.feed("y\n") == "> " + longest + "\n> y\n");
}

TEST_CASE("the pieces in which the bytes come do not matter") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::string input;
  for (int i = 0; i < 2000; ++i) input.push_back(random() % 5 == 0 ? '\n' : 'a');
  OutputPrefixer whole("[1] ");
  std::string expected = whole.feed(input);
  expected += whole.finish();
  OutputPrefixer pieces("[1] ");
  std::string actual;
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t length = random() % 40;
    actual += pieces.feed(std::string_view(input).substr(at, length));
    at += length;
  }
  actual += pieces.finish();
  CHECK(actual == expected);
}

}  // namespace
}  // namespace vmmc::run
