// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Scenes with real processes: how they go, and what becomes of them when something goes wrong.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "lab/server/testing/lab_rig.h"

namespace vmmc::lab::testing {
namespace {

enum TwoActors { kSend, kDie, kHang, kFlood, kKill, kWrong, kStart, kAbort, kNoAttach };

std::string text(const json::value& value) { return std::string(value.as_string()); }

json::object actor(const json::value& message, std::string_view name) {
  for (const json::value& one : message.at("actors").as_array()) {
    if (one.at("name").as_string() == name) return one.as_object();
  }
  return {};
}

TEST_CASE("hello, and a scene that is begun and stepped through") {
  Rig rig;
  Client page(rig);
  const json::value hello = page.hear();
  CHECK(hello.at("type") == "hello");
  CHECK(hello.at("protocol") == 1);
  CHECK(hello.at("scenes").as_array().size() == 3);
  CHECK(hello.at("models") == json::array{"shrimp-2"});
  CHECK(hello.at("clock") == "real");
  CHECK(hello.at("scene").is_null());
  const json::value begun = page.begin("two");
  CHECK(begun.at("ok") == true);
  page.say({{"type", "step"}, {"request", 5}, {"step", kSend}, {"parameters", {{"bytes", 4096}}}});
  const json::value answer = page.hear("answer");
  CHECK(answer.at("request") == 5);
  CHECK(answer.at("step") == 0);
  CHECK(answer.at("number") == 0);
  CHECK(answer.at("command").at("bytes") == 4096);
  CHECK(answer.at("answer").at("me") == "0/0@@nobody");
  CHECK(answer.at("answer").at("descriptors") == 3);  // none of the server's
  const json::value done = page.hear("step_done");
  CHECK(done.at("ok") == true);
  CHECK(done.at("request") == 5);
}

TEST_CASE("the set-up names an actor, and the actor is told where it is") {
  Rig rig;
  Client page(rig);
  page.say({{"type", "begin"}, {"scene", "two"}});
  page.hear("answer");
  const json::value import = page.hear("answer");
  CHECK(import.at("request").is_null());
  CHECK(import.at("answer").at("from") == json::object{{"node", 1}, {"process", 1}});
}

TEST_CASE("an actor that dies in the middle of a command: it is told, and the lab goes on") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  page.say({{"type", "step"}, {"request", 1}, {"step", kDie}});
  const json::value answer = page.hear("answer");
  CHECK(answer.at("answer").at("ok") == false);
  CHECK(answer.at("answer").at("ended") == "killed by signal 15");
  CHECK(page.hear("answer").at("answer").at("ok") == true);  // the other one's
  const json::value actors = page.hear("actors");
  CHECK(actor(actors, "sender").at("state") == "ended");
  CHECK(actor(actors, "sender").at("how") == "killed by signal 15");
  CHECK(actor(actors, "receiver").at("state") == "running");
  const json::value done = page.hear("step_done");
  CHECK(done.at("ok") == false);
  CHECK(text(done.at("failed").at(0)).find("sender has ended") == 0);
  page.say({{"type", "restart"}, {"actor", "sender"}});
  CHECK(page.step(kSend, 2).at("ok") == true);
}

TEST_CASE("an actor that hangs is killed from the page, and the step ends") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  page.say({{"type", "step"}, {"request", 1}, {"step", kHang}});
  CHECK(page.hear("answer").at("number") == 1);  // the first is only started
  page.say({{"type", "step"}, {"request", 2}, {"step", kSend}});
  CHECK(page.problem().at("sentence") == "a step is being carried out");
  page.say({{"type", "kill"}, {"actor", "sender"}});
  const json::value answer = page.hear("answer");
  CHECK(answer.at("number") == 0);
  CHECK(answer.at("answer").at("ended") == "killed by signal 9");
  CHECK(page.hear("step_done").at("ok") == true);  // it was to end
}

TEST_CASE("an actor that floods is killed") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  const json::value done = page.step(kFlood);
  CHECK(done.at("ok") == false);
  CHECK(done.at("failed").as_array().size() == 1);  // that it has ended holds
  page.say({{"type", "restart"}, {"actor", "sender"}});
  for (const int how : {78, 79}) {
    page.say({{"type", "play"},
              {"request", how},
              {"actor", "sender"},
              {"command", {{"do", "compute"}, {"ns", how}}}});
    CHECK(page.hear("answer").at("request") == how);
  }
}

TEST_CASE("kill and restart in a step; what does not hold is said") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  CHECK(page.step(kKill).at("ok") == true);
  const json::value done = page.step(kWrong);
  CHECK(done.at("ok") == false);
  CHECK(done.at("failed") == json::array{"the number of exports is 0, and not 12"});
}

TEST_CASE("a command that is started: the next one follows when it has begun, or makes no sense") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  page.say({{"type", "step"}, {"request", 1}, {"step", kStart}});
  std::vector<json::value> numbers;
  for (int i = 0; i < 3; ++i) numbers.push_back(page.hear("answer").at("number"));
  CHECK(numbers == std::vector<json::value>{1, 2, 0});
  CHECK(page.hear("step_done").at("ok") == true);
}

TEST_CASE("free play: a page sees when a command that it started has begun") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  const auto hear_of_sender = [&page](bool started) {
    json::object sender;
    do sender = actor(page.hear("actors"), "sender");
    while (sender.at("busy") == 0 || sender.at("started") != started);
  };
  const auto play = [&page](int request, bool start) {  // what hangs
    page.say({{"type", "play"},
              {"request", request},
              {"actor", "sender"},
              {"command", {{"do", "compute"}, {"ns", 99}, {"start", start}}}});
  };
  play(1, true);
  hear_of_sender(true);
  page.say({{"type", "kill"}, {"actor", "sender"}});
  CHECK(page.hear("answer").at("request") == 1);
  page.say({{"type", "restart"}, {"actor", "sender"}});
  play(2, false);
  hear_of_sender(false);
}

TEST_CASE("an actor that ends in abort has answered it") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  const json::value done = page.step(kAbort);
  CHECK(done.at("failed").as_array().empty());
  page.say({{"type", "restart"}, {"actor", "receiver"}});
  CHECK(page.step(kSend, 2).at("ok") == true);
}

TEST_CASE("begin while a step runs, again and again: the last one counts") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  page.say({{"type", "step"}, {"request", 1}, {"step", kHang}});
  page.hear("answer");
  for (int i = 0; i < 10; ++i) page.say({{"type", "begin"}, {"scene", "two"}});
  page.say({{"type", "begin"}, {"scene", "references"}});
  const json::value done = page.hear("step_done");
  CHECK(done.at("request") == 1);
  CHECK(done.at("ok") == false);
  json::value begun;
  do {
    begun = page.hear("begun");
  } while (begun.at("scene") != "references");
  CHECK(begun.at("ok") == true);
  CHECK(page.step(0).at("ok") == true);
}

TEST_CASE("two pages see the same; the one that asked finds its number") {
  Rig rig;
  Client one(rig), other(rig);
  one.begin("two");
  CHECK(other.hear("begun").at("scene") == "two");
  one.say({{"type", "step"}, {"request", 9}, {"step", kSend}});
  CHECK(one.hear("step_done").at("request") == 9);
  CHECK(other.hear("step_done").at("request").is_null());
  Client late(rig);
  CHECK(late.hear().at("scene") == "two");
  CHECK(late.hear("begun").at("ok") == true);
}

TEST_CASE("user-level DMA: whose bytes are sent") {
  Rig rig;
  Client page(rig);
  page.begin("references");
  CHECK(page.step(0, 1, {{"invalidate", true}}).at("ok") == true);
  page.say(
      {{"type", "step"}, {"request", 2}, {"step", 0}, {"parameters", {{"invalidate", false}}}});
  page.hear("answer");
  page.hear("answer");
  const json::value load = page.hear("answer").at("answer");
  CHECK(load.at("initiated") == true);
  CHECK(load.at("transfer").at("text") == "abc");        // the second one's bytes ...
  CHECK(load.at("transfer").at("me") == "0/0@@nobody");  // ... by the first one's proxy
  CHECK(page.hear("step_done").at("ok") == true);
}

TEST_CASE("pace and faults") {
  Rig rig;
  Client page(rig);
  page.begin("references");
  CHECK(page.step(1).at("ok") == true);
  rig.run([](FakeView& view) {
    CHECK(view.pace().mode() == nicsim::Pace::Mode::kPaused);
    CHECK(view.faults.faults().size() == 1);
    CHECK(view.faults.faults()[0].from == 0);
  });
  page.say({{"type", "fault"}, {"action", "delay"}, {"from", 7}});
  CHECK(page.problem().at("sentence") == "fault: there is no node 7");
  page.say({{"type", "pace"}, {"mode", "slow"}, {"interval_ms", 20}, {"slowdown", 1000}});
  page.begin("references");  // at full speed and without faults, whatever was before
  rig.run([](FakeView& view) {
    CHECK(view.pace().is_full());
    CHECK(view.faults.empty());
    CHECK(view.traces);
  });
  page.say({{"type", "fault"}, {"action", "drop"}});
  page.step(0);
  rig.run([](FakeView& view) { CHECK(view.faults.faults().size() == 1); });
  page.say({{"type", "fault"}, {"action", "clear"}});
  page.step(0, 2);
  rig.run([](FakeView& view) { CHECK(view.faults.empty()); });
}

TEST_CASE("a command of the stage that throws is answered, and the lab goes on") {
  Rig rig;
  Client page(rig);
  page.begin("references");
  page.say({{"type", "step"}, {"request", 1}, {"step", 2}});
  const json::value answer = page.hear("answer");
  CHECK(answer.at("answer").at("ok") == false);
  CHECK(answer.at("answer").at("sentence") == "impossible");
  CHECK(page.hear("step_done").at("request") == 1);
  CHECK(page.step(0, 2).at("ok") == true);
}

TEST_CASE("what throws while nobody has asked for anything is told once, and the lab goes on") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  rig.run([](FakeView& view) { view.fails = true; });
  CHECK(page.problem().at("sentence") == "the machine cannot be shown: no snapshot");
  // A step needs a snapshot: it is not carried out, or ends.
  page.say({{"type", "step"}, {"request", 1}, {"step", kSend}});
  CHECK(page.problem().at("sentence") == "no snapshot");
  rig.run([](FakeView& view) { view.fails = false; });
  CHECK(page.step(kSend, 2).at("ok") == true);
}

TEST_CASE("why an actor could not attach is told") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  page.say({{"type", "step"}, {"request", 1}, {"step", kNoAttach}});
  const json::value answer = page.hear("answer").at("answer");
  CHECK(answer.at("ended") == "exit 1");
  CHECK(answer.at("sentence") ==
        "sender has ended (exit 1) before it answered: the machine is full");
  CHECK(page.problem().at("sentence") == "sender could not attach: the machine is full");
  Client late(rig);
  CHECK(actor(late.hear("actors"), "sender").at("why") == "the machine is full");
}

// The answer and the end are there at the same time: whichever is looked at first, the answer counts.
TEST_CASE("what an actor has written before it ended is not lost") {
  Rig rig;
  Client page(rig);
  for (int turn = 1; turn <= 30; ++turn) {
    page.begin("two");
    page.say({{"type", "play"},
              {"request", turn},
              {"actor", "sender"},
              {"command", {{"do", "compute"}, {"ns", 14}}}});
    const json::value answer = page.hear_own("answer", turn).at("answer");
    REQUIRE(answer.at("ok") == true);
    CHECK(text(answer.at("filler")).size() == 60'000);
  }
}

TEST_CASE("figures are those of the scene's own clock") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  json::value done = page.step(kWrong);
  CHECK(done.at("own_clock") == true);
  CHECK(done.at("parameters") == json::object{});
  page.say({{"type", "begin"}, {"request", 7}, {"scene", "simulated"}, {"clock", "real"}});
  CHECK(page.hear_own("begun", 7).at("ok") == true);
  done = page.step(0, 2, {{"bytes", 4096}});
  CHECK(done.at("own_clock") == false);
  CHECK(done.at("ok") == true);
  CHECK(done.at("failed").as_array().size() == 1);
  CHECK(done.at("parameters") == json::object{{"bytes", 4096}});
  done = page.step(1, 3);  // an actor that dies is no figure
  CHECK(done.at("ok") == false);
}

TEST_CASE("free play has a process on each node") {
  Rig rig;
  Client page(rig);
  CHECK(page.begin("free-play").at("ok") == true);
  page.say({{"type", "play"}, {"request", 1}, {"actor", "node-1"}, {"command", {{"do", "fence"}}}});
  CHECK(page.hear("answer").at("answer").at("me") == "1/1@@nobody");
}

TEST_CASE("another machine: nicsim is to start anew") {
  Rig rig;
  Client page(rig);
  page.say({{"type", "machine"}, {"rows", 5}, {"columns", 4}, {"clock", "real"}});
  CHECK(page.problem().at("sentence") == "a machine has 1 to 16 nodes");
  page.say({{"type", "machine"}, {"rows", 2}, {"columns", 2}, {"clock", "no-such"}});
  CHECK(page.problem().at("sentence") == "there is no clock \"no-such\"");
  page.say({{"type", "begin"}, {"scene", "two"}, {"clock", "shrimp-2"}});
  page.say({{"type", "begin"}, {"scene", "two"}});
  CHECK(page.problem().at("sentence") == "nicsim is being started anew");
  rig.run([](FakeView& view) {
    REQUIRE(view.wanted);
    CHECK(view.wanted->clock == "shrimp-2");
    CHECK(view.wanted->scene == "two");
  });
}

TEST_CASE("what is no message is refused with a sentence, and changes nothing") {
  Rig rig;
  Client page(rig);
  page.begin("two");
  for (const char* message :
       {"",
        "hello",
        "[]",
        "17",
        "{}",
        "{\"type\":7}",
        "{\"type\":\"destroy\"}",
        "{\"type\":\"step\",\"step\":0}",
        "{\"type\":\"step\",\"request\":1,\"step\":99}",
        "{\"type\":\"step\",\"request\":1,\"step\":-1}",
        "{\"type\":\"step\",\"request\":1,\"step\":0,\"parameters\":{\"bytes\":65}}",
        "{\"type\":\"step\",\"request\":1,\"step\":0,\"parameters\":{\"more\":1}}",
        "{\"type\":\"play\",\"request\":1,\"actor\":\"nobody\",\"command\":{\"do\":\"fence\"}}",
        "{\"type\":\"play\",\"request\":1,\"actor\":\"sender\",\"command\":{\"do\":\"exec\"}}",
        "{\"type\":\"play\",\"request\":1,\"actor\":\"sender\",\"command\":{\"do\":\"kill\"}}",
        "{\"type\":\"play\",\"request\":1,\"actor\":\"sender\",\"command\":{\"do\":\"fence\",\"x\":"
        "1}}",
        "{\"type\":\"kill\",\"actor\":\"nobody\"}",
        "{\"type\":\"restart\",\"actor\":\"sender\"}",
        "{\"type\":\"begin\",\"scene\":\"../../etc/passwd\"}",
        "{\"type\":\"look\",\"at\":[1]}",
        "{\"type\":\"look\",\"at\":[{},{},{},{},{}]}",
        "{\"type\":\"pace\",\"mode\":\"backwards\"}",
        "{\"type\":\"pace\",\"mode\":\"slow\",\"interval_ms\":1e9}"}) {
    CAPTURE(message);
    page.say_text(message);
    CHECK(!page.problem().at("sentence").as_string().empty());
  }
  page.say_text(std::string(10'000, '['));
  CHECK(!page.problem().is_null());
  CHECK(page.step(kSend).at("ok") == true);
}

// All children of this process.
std::size_t children() {
  std::size_t count = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(thread.path() / "children");
    for (int pid; file >> pid;) ++count;
  }
  return count;
}

TEST_CASE("when the server ends, no process and no zombie is left") {
  {
    Rig rig;
    Client page(rig);
    page.begin("two");
    page.say({{"type", "step"}, {"request", 1}, {"step", kHang}});
    page.hear("answer");
    CHECK(children() == 2);
    page.begin("two");
    CHECK(children() == 2);
  }
  CHECK(children() == 0);
}

}  // namespace
}  // namespace vmmc::lab::testing
