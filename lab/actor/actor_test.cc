// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Real actors at pipes, under a real nicsim: every command, in real and in simulated time.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <string>

#include "tests/support/processes/nicsim_process.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;

constexpr int kPatience = 120'000;  // ms

std::string actor_binary() {
  const char* const root = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  REQUIRE(root != nullptr);
  REQUIRE(workspace != nullptr);
  return std::string(root) + "/" + workspace + "/lab/actor/actor";
}

class ActorProcess {
 public:
  ActorProcess(const testing::NicsimProcess& nicsim, int node, int process) {
    int in[2];
    int out[2];
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    const std::string binary = actor_binary();
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::setenv("VMMC_SOCKET", nicsim.socket().c_str(), 1);
      ::setenv("VMMC_NODE", std::to_string(node).c_str(), 1);
      ::setenv("VMMC_PROCESS", std::to_string(process).c_str(), 1);
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execl(binary.c_str(), binary.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~ActorProcess() {
    if (to_ >= 0) ::close(to_);
    ::close(from_);
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
  }
  ActorProcess(const ActorProcess&) = delete;
  ActorProcess& operator=(const ActorProcess&) = delete;

  void say(const std::string& line) {
    const std::string text = line + "\n";
    REQUIRE(::write(to_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  // The next line; empty at the end.
  std::string line() {
    while (unread_.find('\n') == std::string::npos) {
      pollfd poll{from_, POLLIN, 0};
      REQUIRE(::poll(&poll, 1, kPatience) == 1);
      std::array<char, 4096> more;
      const ssize_t count = ::read(from_, more.data(), more.size());
      if (count <= 0) return {};
      unread_.append(more.data(), static_cast<std::size_t>(count));
    }
    const std::size_t end = unread_.find('\n');
    std::string line = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    return line;
  }
  json::object answer() { return json::parse(line()).as_object(); }
  json::object ask(const std::string& command) {
    say(command);
    return answer();
  }
  // One that must succeed.
  json::object did(const std::string& command) {
    CAPTURE(command);
    json::object said = ask(command);
    CAPTURE(json::serialize(said));
    CHECK(said["ok"] == true);
    CHECK(said["status"] == "OK");
    CHECK(said["call"].is_string());
    return said;
  }
  void start(const std::string& command) {
    say(command);
    REQUIRE(line() == "{\"begun\":true}");
  }
  int end() {
    ::close(to_);
    to_ = -1;
    int status = -1;
    REQUIRE(::waitpid(child_, &status, 0) == child_);
    child_ = -1;
    return status;
  }

 private:
  pid_t child_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string unread_;
};

struct Pair {
  explicit Pair(const std::vector<std::string>& arguments) : nicsim(arguments) {
    receiver.did(R"({"do":"export","buffer":7,"pages":2,"handler":true})");
    sender.did(
        R"({"do":"import","from":{"node":1,"process":1},"buffer":7,"as":"inbox","access":"rw","timeout_ms":20000})");
  }
  testing::NicsimProcess nicsim;
  ActorProcess sender{nicsim, 0, 0};
  ActorProcess receiver{nicsim, 1, 1};
};

std::uint64_t number(const json::object& answer, const char* member) {
  return answer.at(member).to_number<std::uint64_t>();
}

void move_bytes(Pair& pair) {
  CHECK(pair.sender.did(R"({"do":"send","proxy":"inbox","text":"hello","fence":true})")["call"] ==
        "vmmc_send(text, inbox + 0, 5); vmmc_fence()");
  CHECK(pair.receiver.did(R"({"do":"read","buffer":7,"bytes":6})")["text"] == "hello.");
  pair.sender.did(R"({"do":"send","proxy":"inbox","offset":8,"value":258})");
  pair.sender.did(R"({"do":"send","proxy":"inbox","offset":16,"value":1,"bytes":8})");
  pair.sender.did(R"({"do":"send","proxy":"inbox","offset":4096,"bytes":4096})");
  pair.sender.did(R"({"do":"fence"})");
  CHECK(pair.receiver.did(R"({"do":"read","buffer":7,"offset":8,"bytes":16})")["hex"] ==
        "02010000000000000100000001000000");
  CHECK(pair.sender.did(R"({"do":"fetch","proxy":"inbox","offset":4096,"bytes":4})")["hex"] ==
        "01020304");
  CHECK(number(pair.sender.did(R"({"do":"add","proxy":"inbox","offset":8,"value":2})"),
               "previous") == 258);
  const json::object counted = pair.sender.did(R"({"do":"counters"})");
  CHECK(number(counted.at("counters").as_object(), "atomics") == 1);
}

void wait_for_bytes(Pair& pair) {
  pair.receiver.start(
      R"({"do":"wait","buffer":7,"offset":4,"value":9,"look_at":4,"bytes":4,"start":true})");
  pair.sender.did(R"({"do":"send","proxy":"inbox","offset":4,"value":9})");
  const json::object found = pair.receiver.answer();
  CHECK(number(found, "found") == 9);
  CHECK(found.at("hex") == "09000000");
  const json::object late =
      pair.receiver.ask(R"({"do":"wait","buffer":7,"offset":4,"value":10,"timeout_ms":1})");
  CHECK(late.at("ok") == false);
  CHECK(late.at("status") == "TIMEOUT");
  CHECK_FALSE(late.at("sentence").as_string().empty());
}

void store(Pair& pair) {
  pair.sender.did(R"({"do":"export","buffer":1})");
  CHECK(pair.sender.did(R"({"do":"bind","proxy":"inbox","as":"page","buffer":1})")["capture"] ==
        "trap");
  pair.sender.did(R"({"do":"store","binding":"page","offset":64,"text":"abc"})");
  pair.sender.did(R"({"do":"store","binding":"page","offset":72,"value":515,"size":2})");
  pair.sender.did(R"({"do":"flush"})");
  pair.sender.did(R"({"do":"fence"})");
  CHECK(pair.receiver.did(R"({"do":"read","buffer":7,"offset":64,"bytes":10})")["hex"] ==
        "61626300000000000302");
  CHECK(pair.sender.ask(R"({"do":"unexport","buffer":1})")["ok"] == false);
  const json::object run =
      pair.sender.did(R"({"do":"stores","binding":"page","count":8,"stride":8,"flush":true})");
  CHECK(number(run, "packets") == 8);
  pair.sender.did(R"({"do":"unbind","binding":"page"})");
  pair.sender.did(R"({"do":"unexport","buffer":1})");
  pair.sender.did(
      R"({"do":"bind","proxy":"inbox","as":"typed","capture":"typed","combining":"block"})");
  for (const char* const size : {"1", "2", "4", "8"}) {
    pair.sender.did(std::string(R"({"do":"store","binding":"typed","value":1,"size":)") + size +
                    "}");
  }
  CHECK(pair.sender.did(
            R"({"do":"stores","binding":"typed","count":4,"flush":false})")["left_by_itself"] ==
        false);
  pair.sender.did(R"({"do":"unbind","binding":"typed"})");
}

void notify(Pair& pair) {
  pair.receiver.did(R"({"do":"block"})");
  for (const char* const word : {"1", "2", "3"}) {
    pair.sender.did(
        std::string(R"({"do":"send","proxy":"inbox","text":"x","notify":true,"immediate":)") +
        word + "}");
  }
  CHECK(number(pair.receiver.did(R"({"do":"wait_notification","buffer":7,"timeout_ms":20000})"),
               "immediate") == 1);
  CHECK(number(pair.receiver.did(R"({"do":"handled"})"), "count") == 0);
  CHECK(number(pair.receiver.did(R"({"do":"unblock"})"), "blocked") == 0);
  const json::object handled = pair.receiver.did(R"({"do":"handled","await":2})");
  const json::array& calls = handled.at("calls").as_array();
  REQUIRE(calls.size() == 2);
  CHECK(number(calls[1].as_object(), "immediate") == 3);
  CHECK(calls[1].as_object().at("nested") == false);
}

void measure(Pair& pair) {
  pair.sender.did(R"({"do":"export","buffer":8,"handler":true})");
  pair.receiver.did(
      R"({"do":"import","from":{"node":0,"process":0},"buffer":8,"as":"back","timeout_ms":20000})");
  for (const char* const by : {"adaptive", "block", "notification"}) {
    const std::string way = std::string(R"("by":")") + by + "\"";
    pair.receiver.start(R"({"do":"answer","proxy":"back","buffer":7,"count":5,"start":true,)" +
                        way + "}");
    CHECK(number(pair.sender.did(R"({"do":"round_trip","proxy":"inbox","buffer":8,"count":5,)" +
                                 way + "}"),
                 "one_way_ns") > 0);
    CHECK(pair.receiver.answer().at("ok") == true);
  }
  for (const char* const by : {"deliberate", "automatic"}) {
    const json::object done = pair.sender.did(
        std::string(R"({"do":"update","proxy":"inbox","bytes":512,"density":50,"by":")") + by +
        "\"}");
    CHECK(number(done, "ns") > 0);
    CHECK(number(done, "packets") >= 1);
  }
  pair.sender.did(R"({"do":"compute","ns":1000})");
}

void overrun(Pair& pair) {
  pair.receiver.start(
      R"({"do":"consume","buffer":7,"messages":20,"bytes":64,"interval_ns":1000000,"start":true})");
  CHECK(number(pair.sender.did(R"({"do":"stream","proxy":"inbox","messages":20,"bytes":64})"),
               "sent") == 20);
  const json::object seen = pair.receiver.answer();
  CHECK(number(seen, "seen") >= 1);
  CHECK(number(seen, "seen") + number(seen, "overwritten") == 20);
}

void stream_with_credit(Pair& pair) {
  // `measure` has made buffer 8 and the proxy `back`.
  // Streams of one message leave a credit behind that the sender has not waited for: it must not count as
  // credit of the next stream.
  for (const int messages : {1, 20, 1, 20, 1, 20, 1, 20}) {
    const std::string shape = R"("messages":)" + std::to_string(messages) + R"(,"bytes":2044)";
    pair.receiver.start(
        R"({"do":"consume","buffer":7,"interval_ns":1000000,"credit":"back","start":true,)" +
        shape + "}");
    pair.sender.did(R"({"do":"stream","proxy":"inbox","credit":8,)" + shape + "}");
    const json::object seen = pair.receiver.answer();
    CHECK(number(seen, "seen") == static_cast<std::uint64_t>(messages));
    CHECK(number(seen, "overwritten") == 0);
    CHECK(number(seen, "torn") == 0);
  }
  CHECK(pair.sender.ask(
            R"({"do":"stream","proxy":"inbox","messages":1,"bytes":4,"credit":99})")["ok"] ==
        false);
  CHECK(pair.sender.ask(
            R"({"do":"stream","proxy":"inbox","messages":1,"bytes":4,"credit":8,"window":0})")
            ["ok"] == false);
}

void forge(Pair& pair) {
  const auto refused = [&](const char* how) {
    return pair.sender.did(std::string(R"({"do":"forge","proxy":"inbox","how":")") + how +
                           "\"}")["refused"];
  };
  CHECK(refused("past_end") == "OUTSIDE_PROXY");
  CHECK(refused("stale_generation") == "UNKNOWN_IMPORT");
  CHECK(refused("foreign_proxy") == "UNKNOWN_IMPORT");
  CHECK(pair.receiver.did(R"({"do":"read","buffer":7,"bytes":4})")["hex"] != "d0bad0ba");
}

void part(Pair& pair) {
  pair.receiver.start(R"({"do":"abort","buffer":7,"offset":4,"value":77,"start":true})");
  pair.sender.did(R"({"do":"send","proxy":"inbox","offset":4,"value":77})");
  CHECK(pair.receiver.line().empty());
  // Its pipe may end some time before nicsim hears of its end.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience);
  json::object said;
  while (said["status"] != "PEER_DEAD" && std::chrono::steady_clock::now() < patience) {
    said = pair.sender.ask(R"({"do":"send","proxy":"inbox","text":"x","fence":true})");
  }
  CHECK(said["status"] == "PEER_DEAD");
  pair.sender.did(R"({"do":"unimport","proxy":"inbox"})");
  CHECK(pair.sender.end() == 0);
}

void every_command(const std::vector<std::string>& arguments) {
  Pair pair(arguments);
  move_bytes(pair);
  wait_for_bytes(pair);
  store(pair);
  notify(pair);
  measure(pair);
  overrun(pair);
  stream_with_credit(pair);
  forge(pair);
  part(pair);
}

TEST_CASE("every command, in real time") { every_command({}); }
TEST_CASE("every command, in simulated time") { every_command({"--model", "shrimp-2"}); }

TEST_CASE("nonsense is answered, and does nothing") {
  const testing::NicsimProcess nicsim;
  ActorProcess actor(nicsim, 0, 0);
  for (const char* const line :
       {"", "{", "[]", "3", "{}", R"({"do":3})", R"({"do":"dance"})", R"({"do":"export"})",
        R"({"do":"export","buffer":1,"pages":65})", R"({"do":"export","buffer":1,"pages":0})",
        R"({"do":"send","proxy":"nobody","text":"x"})", R"({"do":"unexport","buffer":3})",
        R"({"do":"import","from":{"node":0},"buffer":1,"as":"x"})", R"({"do":"wait","buffer":1})",
        R"({"do":"fence","start":3})"}) {
    CAPTURE(line);
    const json::object said = actor.ask(line);
    CHECK(said.at("ok") == false);
    CHECK_FALSE(said.at("sentence").as_string().empty());
    CHECK_FALSE(said.contains("call"));
  }
  actor.did(R"({"do":"fence"})");
  for (int i = 0; i < 16; ++i) {
    actor.did(R"({"do":"export","buffer":)" + std::to_string(i) + "}");
  }
  CHECK(actor.ask(R"({"do":"export","buffer":16})").at("ok") == false);
  CHECK(actor.end() == 0);
}

TEST_CASE("an actor without a nicsim says so, and ends") {
  testing::NicsimProcess nicsim;
  nicsim.kill();
  ::setenv("VMMC_NICSIM", "/nonexistent", 1);
  ActorProcess actor(nicsim, 0, 0);
  const json::object last = actor.answer();
  CHECK(last.at("attached") == false);
  CHECK_FALSE(last.at("sentence").as_string().empty());
  CHECK(actor.line().empty());
  CHECK(actor.end() == 0x100);
  ::unsetenv("VMMC_NICSIM");
}

}  // namespace
}  // namespace vmmc::lab
