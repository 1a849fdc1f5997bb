// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What pages are shown: snapshots, records, bytes; and pages that do not keep up.

#include <doctest/doctest.h>

#include "lab/server/testing/lab_rig.h"

namespace vmmc::lab::testing {
namespace {

void look(Client& page) {
  const json::object at{{"node", 0}, {"process", 0}, {"segment", 1}, {"page", 0}};
  page.say(json::object{{"type", "look"}, {"at", json::array{at}}});
}

TEST_CASE("a snapshot comes when something has changed") {
  Rig rig;
  Client page(rig);
  CHECK(page.hear("snapshot").at("snapshot").at("exports").as_array().empty());
  look(page);
  page.hear("bytes");  // ticks have passed
  rig.run([](FakeView& view) { view.state["exports"] = json::array{1}; });
  CHECK(page.hear("snapshot").at("snapshot").at("exports").as_array().size() == 1);
}

TEST_CASE("the bytes of a page that is looked at, when they change") {
  Rig rig;
  Client page(rig);
  look(page);
  const json::value first = page.hear("bytes");
  CHECK(first.at("hex").as_string() == std::string(8192, '0'));
  rig.run([](FakeView& view) { view.bytes[1] = std::byte{0xab}; });
  const json::value second = page.hear("bytes");
  CHECK(std::string_view(second.at("hex").as_string()).substr(0, 6) == "00ab00");
  CHECK(second.at("generation").as_int64() > first.at("generation").as_int64());
}

TEST_CASE("records come; of too many, some operations whole, and how many there were") {
  Rig rig;
  Client page(rig);
  page.hear("snapshot");
  rig.run([](FakeView& view) { view.happen(1, 5); });
  const json::value few = page.hear("records");
  CHECK(few.at("total") == 5);
  CHECK(few.at("shown") == 5);
  CHECK(few.at("lost") == 0);
  CHECK(few.at("records").at(0).at("event") == "taken");
  CHECK(few.at("records").at(0).at("n") == 0);
  rig.run([](FakeView& view) {
    for (std::uint64_t operation = 2; operation < 1002; ++operation) view.happen(operation, 5);
  });
  const json::value many = page.hear("records");
  CHECK(many.at("total") == 5000);
  CHECK(many.at("shown").as_int64() <= 2000);
  CHECK(many.at("shown").as_int64() >= 250);
  CHECK(many.at("lost") == 0);
}

TEST_CASE("a page that does not read does not hold up another one, and is told what it has lost") {
  nicsim::web::Limits limits;
  limits.skip_above = 100'000;
  Rig rig(limits);
  Client slow(rig);
  Client page(rig);
  page.hear("snapshot");
  std::int64_t total = 0;
  std::uint64_t operation = 0;
  // More than the kernel keeps for the slow one.
  for (int round = 0; round < 150; ++round) {
    rig.run([&](FakeView& view) {
      for (int i = 0; i < 60; ++i) view.happen(++operation, 5);
      view.state["filling"] = std::string(200'000, static_cast<char>('a' + round % 26));
    });
    // Both, so that nothing waits for this page when it is told of the next round.
    json::value records;
    bool has_seen_state = false;
    while (records.is_null() || !has_seen_state) {
      json::value message = page.hear();
      REQUIRE(!message.is_null());
      if (message.at("type") == "snapshot") has_seen_state = true;
      if (message.at("type") == "records") records = std::move(message);
    }
    total += records.at("total").as_int64();
    CHECK(records.at("lost") == 0);
  }
  std::int64_t seen = 0;
  std::int64_t lost = 0;
  while (seen < total) {
    const json::value records = slow.hear("records");
    REQUIRE(!records.is_null());
    seen += records.at("total").as_int64();
    lost += records.at("lost").as_int64();
  }
  CHECK(lost > 0);
  // A snapshot that was skipped comes later.
  rig.run([](FakeView& view) { view.state["filling"] = "the last"; });
  while (slow.hear("snapshot").at("snapshot").at("filling") != "the last") {
  }
}

TEST_CASE("a page that takes not even the answers is cut off") {
  nicsim::web::Limits limits;
  limits.outbox = 200'000;
  limits.messages_per_second = 1'000'000;
  Rig rig(limits);
  Client stuck(rig);
  stuck.hear();
  // Each of them is answered, and the answers are not read: first the kernel's buffers are full, then the
  // server's.
  while (rig.connections() > 0) {
    for (int i = 0; i < 500 && stuck.open(); ++i) stuck.say_text("{}");
  }
  Client page(rig);
  CHECK(page.begin("two").at("ok") == true);
}

TEST_CASE("a page that is gone in the middle of a step does not matter") {
  Rig rig;
  {
    Client page(rig);
    page.begin("two");
    page.say({{"type", "step"}, {"request", 1}, {"step", 0}});
  }
  Client other(rig);
  CHECK(other.hear().at("scene") == "two");
  CHECK(other.begin("two").at("ok") == true);
  CHECK(other.step(0).at("ok") == true);
}

}  // namespace
}  // namespace vmmc::lab::testing
