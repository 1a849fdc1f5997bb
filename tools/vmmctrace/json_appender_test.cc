// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/json_appender.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <random>

namespace vmmc::trace_tool {
namespace {

TEST_CASE("commas and lines") {
  std::string text;
  JsonAppender json(text);
  json.begin_object().key("a").begin_array().number(1).number(2).end_array();
  json.key("b").begin_object().end_object().key("c").begin_array();
  json.line();
  json.begin_object().key("x").boolean(true).end_object();
  json.line();
  json.null().string("s").end_array().end_object();
  CHECK(text == "{\"a\":[1,2],\"b\":{},\"c\":[\n{\"x\":true},\nnull,\"s\"]}");
}

TEST_CASE("decimals have all their digits") {
  const auto decimal = [](std::uint64_t value, int digits) {
    std::string text;
    append_decimal(text, value, digits);
    return text;
  };
  CHECK(decimal(0, 3) == "0.000");
  CHECK(decimal(7, 3) == "0.007");
  CHECK(decimal(1234, 3) == "1.234");
  CHECK(decimal(1234, 6) == "0.001234");
  CHECK(decimal(1234, 0) == "1234");
  CHECK(decimal(~std::uint64_t{0}, 6) == "18446744073709.551615");
}

TEST_CASE("what is appended can be read again") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    std::string ascii;
    for (auto length = random() % 40; length > 0; --length)
      ascii += static_cast<char>(random() % 128);
    const std::uint64_t number = (std::uint64_t{random()} << 32) | random();
    std::string text;
    JsonAppender json(text);
    json.begin_array()
        .string(ascii)
        .begin_object()
        .key(ascii)
        .number(number)
        .end_object()
        .end_array();
    const auto value = boost::json::parse(text);
    CHECK(value.at(0).as_string() == ascii);
    CHECK(value.at(1).at(ascii).to_number<std::uint64_t>() == number);
  }
}

TEST_CASE("bytes above ASCII are escaped one by one") {
  std::string text;
  JsonAppender(text).string("\xc3\x7f\x80");
  CHECK(text == "\"\\u00c3\\u007f\\u0080\"");
}

}  // namespace
}  // namespace vmmc::trace_tool
