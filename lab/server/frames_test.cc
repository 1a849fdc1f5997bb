// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that break the rules end their connection, and nothing else.

#include <doctest/doctest.h>

#include "lab/server/testing/raw_frames.h"

namespace vmmc::lab::testing {
namespace {

bool still_serves(const Rig& rig) {
  Client page(rig);
  return page.open() && page.hear().at("type") == "hello";
}

TEST_CASE("a frame that is against the rules closes the connection") {
  Rig rig;
  const Frame frames[] = {
      {.content = "{}", .masked = false},
      {.content = "{}", .reserved = 4},
      {.content = "\xc3\x28"},      // no UTF-8
      {.content = "\xed\xa0\x80"},  // a surrogate
      {.opcode = Opcode::kBinary, .content = "{}"},
      {.opcode = Opcode::kMore, .content = "{}"},  // of nothing
      {.opcode = Opcode::kPing, .content = std::string(126, 'x')},
      {.opcode = Opcode::kPing, .content = "x", .final = false},
      {.opcode = Opcode::kClose, .content = "x"},
      {.opcode = Opcode::kClose, .content = std::string("\x00\x01", 2)},
      {.opcode = static_cast<Opcode>(5), .content = "x"},
      {.content = std::string(64 * 1024 + 1, ' ')},
      {.content = "", .claimed = UINT64_MAX - 1},
  };
  for (const Frame& frame : frames) {
    CAPTURE(bytes_of(frame).substr(0, 20));
    RawPage page(rig);
    page.send(bytes_of(frame));
    page.until_closed();
    CHECK(still_serves(rig));
  }
}

TEST_CASE("a message in pieces, with a ping in between, is one message") {
  Rig rig;
  RawPage page(rig);
  page.send(bytes_of({.content = "{\"ty", .final = false}));
  page.send(bytes_of({.opcode = Opcode::kPing, .content = "hey"}));
  page.send(bytes_of({.opcode = Opcode::kMore, .content = "pe\":1,\"request\":77}"}));
  page.send(bytes_of({.opcode = Opcode::kClose, .content = std::string("\x03\xe8", 2)}));
  const std::string heard = page.until_closed();
  CHECK(heard.find("hey") != std::string::npos);
  CHECK(heard.find("\"problem\"") != std::string::npos);
  CHECK(heard.find("77") != std::string::npos);
}

TEST_CASE("floods of pings and of messages close the connection") {
  Rig rig;
  for (const Opcode opcode : {Opcode::kPing, Opcode::kText}) {
    RawPage page(rig);
    std::string flood;
    for (int i = 0; i < 2000; ++i) flood += bytes_of({.opcode = opcode, .content = "{}"});
    page.send(flood);
    page.until_closed();
    CHECK(still_serves(rig));
  }
}

TEST_CASE("a page that no longer answers pings is let go") {
  nicsim::web::Limits limits;
  limits.idle_patience = std::chrono::milliseconds(300);
  Rig rig(limits);
  RawPage silent(rig);
  while (rig.connections() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(still_serves(rig));
}

}  // namespace
}  // namespace vmmc::lab::testing
