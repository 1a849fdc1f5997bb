// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/requestserver/service.h"

#include <doctest/doctest.h>

#include <string>

namespace examples::requestserver {
namespace {

std::string served(std::uint32_t kind, std::string_view text) {
  const Answer given = answer(kind, text);
  CHECK_FALSE(given.refused);
  return given.text;
}

std::string refusal(std::uint32_t kind, std::string_view text) {
  const Answer given = answer(kind, text);
  CHECK(given.refused);
  return given.text;
}

TEST_CASE("reversing turns any bytes round, zeros included") {
  CHECK(served(kReverse, "abc") == "cba");
  CHECK(served(kReverse, std::string_view("a\0\n", 3)) == std::string_view("\n\0a", 3));
  CHECK(served(kReverse, std::string(kLaneBytes, 'x')).size() == kLaneBytes);
}

TEST_CASE("words are what stands between blanks") {
  CHECK(served(kWords, "one") == "1");
  CHECK(served(kWords, "  two\twords\n") == "2");
  CHECK(served(kWords, " \t\n") == "0");
}

TEST_CASE("the checksum is CRC-32: its published check value, and leading zeros are kept") {
  CHECK(served(kChecksum, "123456789") == "cbf43926");
  CHECK(served(kChecksum, std::string_view("\xff\xff\xff\xff", 4)) == "ffffffff");
  CHECK(served(kChecksum, "n165") == "00bb85dd");
}

TEST_CASE("factors are prime, ascending, repeated") {
  CHECK(served(kFactor, "2") == "2");
  CHECK(served(kFactor, "360") == "2 2 2 3 3 5");
  CHECK(served(kFactor, "999002449") == "31607 31607");
  CHECK(served(kFactor, "999999937") == "999999937");
  CHECK(served(kFactor, "1000000000") == "2 2 2 2 2 2 2 2 2 5 5 5 5 5 5 5 5 5");
}

TEST_CASE("numbers that are none, or too small or large, are refused") {
  for (const char* text : {"", "x", "12x", " 12", "-3", "+3", "0x10", "1.5"}) {
    CAPTURE(text);
    CHECK(refusal(kFactor, text) == "the text is no decimal number");
  }
  for (const char* text : {"0", "1", "1000000001", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK(refusal(kFactor, text) == "the number is not in 2 .. 1000000000");
  }
  CHECK(refusal(kFactor, std::string(kLaneBytes, '9')) == "the number is not in 2 .. 1000000000");
}

TEST_CASE("kinds that are not served are refused") {
  CHECK(refusal(kHello, "") == "0 is no kind of request");
  CHECK(refusal(kKinds, "") == "5 is no kind of request");
}

TEST_CASE("a request begins where a lane begins and ends in it") {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    CHECK(fault_of_message(kReverse, lane * kLaneBytes, 1) == "");
    CHECK(fault_of_message(kFactor, lane * kLaneBytes, kLaneBytes) == "");
    CHECK(fault_of_message(kReverse, lane * kLaneBytes + 4, 1) ==
          "offset " + std::to_string(lane * kLaneBytes + 4) + " is not the start of a lane");
  }
  CHECK(fault_of_message(kReverse, std::size_t{kLanes} * kLaneBytes, 1) ==
        "offset 16384 is not the start of a lane");
  CHECK(fault_of_message(kReverse, 0, 0) == "a request has 1 .. 4096 bytes, not 0");
  CHECK(fault_of_message(kReverse, 0, kLaneBytes + 1) == "a request has 1 .. 4096 bytes, not 4097");
}

TEST_CASE("a message's kind is checked, and a hello's lane") {
  CHECK(fault_of_message(kHello, 0, 1) == "");
  CHECK(fault_of_message(kHello, kLaneBytes, 1) == "a hello belongs in lane 0");
  CHECK(fault_of_message(kKinds, 0, 1) == "5 is no kind of request");
  CHECK(fault_of_message(UINT32_MAX, 0, 1) == "4294967295 is no kind of request");
}

}  // namespace
}  // namespace examples::requestserver
