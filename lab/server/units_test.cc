// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Sampling, commands, parameters, expectations: what needs no server.

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <map>
#include <set>

#include "lab/server/command_table.h"
#include "lab/server/expectations.h"
#include "lab/server/parameters.h"
#include "lab/server/record_sampler.h"
#include "lab/server/record_text.h"
#include "lab/server/scene_library.h"
#include "lab/server/testing/fake_view.h"
#include "nicsim/wire/status.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;
using testing::FakeView;

json::object parse(const char* text) { return json::parse(text).as_object(); }

std::map<std::uint64_t, int> by_operation(const RecordSampler::Look& look) {
  std::map<std::uint64_t, int> counts;
  for (const wire::TraceRecord* record : look.shown) ++counts[record->operation];
  return counts;
}

TEST_CASE("sampling: operations are shown whole, also those that take several looks") {
  FakeView view;
  RecordSampler sampler([&](std::uint64_t n) { return view.record(n); });
  std::map<std::uint64_t, int> shown;
  std::uint64_t total = 0;
  std::uint64_t all_shown = 0;
  for (int round = 0; round < 20; ++round) {
    // Each operation has 3 records in this look and 2 in the next one.
    for (std::uint64_t i = 0; i < 200; ++i) {
      view.happen(1 + static_cast<std::uint64_t>(round) * 200 + i, 3);
      if (round > 0) view.happen(1 + static_cast<std::uint64_t>(round - 1) * 200 + i, 2);
    }
    const RecordSampler::Look look = sampler.look(view.records_written());
    total += look.total;
    CHECK(look.lost == 0);
    CHECK(!look.shown.empty());
    all_shown += look.shown.size();
    for (const auto& [operation, count] : by_operation(look)) shown[operation] += count;
  }
  CHECK(total == view.records_written());
  CHECK(all_shown <= RecordSampler::kMostShown + 20 * (RecordSampler::kFew + 200));
  CHECK(all_shown < total / 2);
  for (const auto& operation : shown) {
    CAPTURE(operation.first);
    if (operation.first <= 19 * 200) CHECK(operation.second == 5);
  }
  // Whoever comes first or has an even number has no better chance.
  std::set<std::uint64_t> odd;
  for (const auto& [operation, count] : shown) {
    if (operation % 2 == 1) odd.insert(operation);
  }
  CHECK(odd.size() * 4 > shown.size());
  CHECK(odd.size() * 4 < shown.size() * 3);
}

TEST_CASE("sampling: what was overwritten is lost, and what began before is left out") {
  FakeView view;
  RecordSampler sampler([&](std::uint64_t n) { return view.record(n); });
  view.happen(1, 1000, 100);  // its first record is gone
  view.happen(2, 4, 100);
  const RecordSampler::Look look = sampler.look(view.records_written());
  CHECK(look.total == 1004);
  CHECK(look.lost == 904);
  CHECK(by_operation(look) == std::map<std::uint64_t, int>{{2, 4}});
}

TEST_CASE("sampling: a burst is shown whole, and what goes on like this is not") {
  FakeView view;
  RecordSampler sampler([&](std::uint64_t n) { return view.record(n); });
  std::uint64_t operation = 0;
  const auto burst = [&](int operations) {
    for (int i = 0; i < operations; ++i) view.happen(++operation, 9);
    return sampler.look(view.records_written()).shown.size();
  };
  CHECK(burst(200) == 1800);
  for (int i = 0; i < 5; ++i) {
    const std::size_t shown = burst(200);
    CHECK(shown <= RecordSampler::kFew + 200);
    CHECK(shown >= RecordSampler::kFew - 9);
  }
  for (int i = 0; i < 10; ++i) CHECK(burst(1) == 9);
  CHECK(burst(200) == 1800);
}

TEST_CASE("sampling: one large operation is shown, an enormous one is not") {
  FakeView view;
  RecordSampler sampler([&](std::uint64_t n) { return view.record(n); });
  view.happen(1, 1500);
  CHECK(sampler.look(view.records_written()).shown.size() == 1500);
  view.happen(2, 2500);
  CHECK(sampler.look(view.records_written()).shown.empty());
}

TEST_CASE("a record's members are those that its event has a meaning for") {
  wire::TraceRecord record{};
  record.sequence.store(5);
  record.event = wire::TraceEvent::kIncomingLookup;
  record.engine = wire::TraceEngine::kIncomingPageTable;
  record.time = 1500;
  record.status = static_cast<std::int32_t>(wire::Status::kPermissionDenied);
  record.process = record.peer_process = 0xffffffff;
  record.operation = 3;
  record.kind = 2;
  CHECK(
      to_json(record) ==
      parse(R"({"n":4,"time":1.5,"event":"incoming_lookup","engine":"incoming_page_table","node":0,
                  "operation":3,"kind":"automatic_update","packet":0,
                  "status":"PERMISSION_DENIED","peer":0,"page":0})"));
}

TEST_CASE("a page that a real-time datagram lends") {
  wire::TraceRecord record{};
  record.sequence.store(1);
  record.event = wire::TraceEvent::kTaken;
  record.engine = wire::TraceEngine::kProcessor;
  record.process = 1;
  record.peer_process = 2;
  record.peer = 3;
  record.operation = 4;
  record.kind = wire::kTraceRealTimeDatagram;
  record.buffer = 5;
  record.length = 6;
  record.value = 7;
  CHECK(to_json(record) == parse(R"({"n":0,"time":0.0,"event":"taken","engine":"processor","node":0,
      "process":1,"operation":4,"kind":"real_time_datagram","peer":3,"peer_process":2,"buffer":5,
      "length":6,"offset":0,"value":7})"));
  record.event = wire::TraceEvent::kPacketCrossed;
  record.engine = wire::TraceEngine::kBackplane;
  record.flags = wire::kTraceLendsPage | wire::kTraceLastPacket;
  record.page = 8;
  record.value = 0;
  CHECK(to_json(record) == parse(R"({"n":0,"time":0.0,"event":"packet_crossed","engine":"backplane",
      "node":0,"process":1,"operation":4,"kind":"real_time_datagram","duration":0.0,"packet":0,
      "peer":3,"peer_process":2,"buffer":5,"page":8,"length":6,"offset":0,"last_packet":true,
      "lends_page":true})"));
}

TEST_CASE("commands are taken within their limits only") {
  for (const char* good :
       {R"({"do":"export","buffer":7})", R"({"do":"export","buffer":7,"pages":64,"for":"me"})",
        R"({"do":"export","buffer":7,"for":{"node":1,"process":2}})",
        R"({"do":"import","from":"r","buffer":7,"as":"in-box"})",
        R"({"do":"send","proxy":"p","text":"hello"})",
        R"({"do":"send","proxy":"p","bytes":1000000})",
        R"({"do":"send","proxy":"p","value":3,"bytes":2048,"fence":true,"text":null})",
        R"({"do":"export","buffer":7,"for":null})",
        R"({"do":"wait","buffer":1,"value":3,"look_at":2032,"bytes":16})",
        R"({"do":"bind","proxy":"p","as":"b","buffer":1})", R"({"do":"handled","await":3})",
        R"({"do":"abort","buffer":7,"offset":4,"value":1,"comparison":"at_least"})",
        R"({"do":"abort"})", R"({"do":"store","binding":"b","value":18446744073709551615})",
        R"({"do":"fence","actor":"a","start":true})"}) {
    CAPTURE(good);
    CHECK(problem_of_actor_command(parse(good)) == "");
  }
  for (const char* bad : {R"({})",
                          R"({"do":7})",
                          R"({"do":"system"})",
                          R"({"do":"export"})",
                          R"({"do":"export","buffer":-1})",
                          R"({"do":"export","buffer":4294967296})",
                          R"({"do":"export","buffer":7.5})",
                          R"({"do":"export","buffer":7,"pages":0})",
                          R"({"do":"export","buffer":7,"pages":65})",
                          R"({"do":"export","buffer":7,"path":"/"})",
                          R"({"do":"import","from":"r","buffer":7,"as":"a b"})",
                          R"({"do":"import","from":"r","buffer":7,"as":""})",
                          R"({"do":"send","proxy":"p"})",
                          R"({"do":"send","proxy":"p","text":"a","value":1})",
                          R"({"do":"send","proxy":"p","text":"a","bytes":1})",
                          R"({"do":"store","binding":"b"})",
                          R"({"do":"send","proxy":"p","bytes":0})",
                          R"({"do":"send","proxy":"p","bytes":1048577})",
                          R"({"do":"import","from":null,"buffer":7,"as":"a"})",
                          R"({"do":"add","proxy":"p"})",
                          R"({"do":"wait","buffer":1,"value":-1})",
                          R"({"do":"wait","buffer":1})",
                          R"({"do":"read","buffer":1,"bytes":65})",
                          R"({"do":"handled","await":1001})",
                          R"({"do":"store","binding":"b","value":-1})",
                          R"({"do":"send","proxy":"p","bytes":18446744073709551615})",
                          R"({"do":"wait","buffer":1,"value":1,"timeout_ms":60001})",
                          R"({"do":"stores","binding":"b","count":1000001})",
                          R"({"do":"forge","proxy":"p","how":"|"})"}) {
    CAPTURE(bad);
    CHECK(problem_of_actor_command(parse(bad)) != "");
  }
}

TEST_CASE("parameters: declared values only, put in wherever they stand") {
  const json::array declared =
      json::parse(R"([{"name":"bytes","values":[64,128],"initial":64}])").as_array();
  auto chosen = choose_parameters(declared, {});
  CHECK(std::get<json::object>(chosen) == json::object{{"bytes", 64}});
  CHECK(std::holds_alternative<std::string>(choose_parameters(declared, {{"bytes", 65}})));
  CHECK(std::holds_alternative<std::string>(choose_parameters(declared, {{"byte", 64}})));
  chosen = choose_parameters(declared, {{"bytes", 128}});
  CHECK(substitute(json::parse(R"({"a":["$bytes","$other","bytes"]})"),
                   std::get<json::object>(chosen)) ==
        json::parse(R"({"a":[128,"$other","bytes"]})"));
}

TEST_CASE("expectations") {
  Outcome outcome;
  outcome.before =
      parse(R"({"exports":[],"errors":[{"status":"OUTSIDE_PROXY","what":"fetch","count":2}],
    "processes":[{"node":0,"process":1,"counters":{"packets":10}}]})");
  outcome.after =
      parse(R"({"exports":[1,2],"errors":[{"status":"OUTSIDE_PROXY","what":"fetch","count":3},
    {"status":"OUTSIDE_PROXY","what":"packet","count":4}],
    "processes":[{"node":0,"process":1,"counters":{"packets":17}}]})");
  outcome.answers = {parse(R"({"ok":true,"ns":50,"status":"OK"})")};
  outcome.actors["a"] = {0, 1, "running"};
  const char* holding =
      R"([{"command":0,"member":"ns","is":50},{"command":0,"member":"ns","at_least":50},
    {"command":0,"member":"ns","at_most":50.5},{"command":0,"member":"status","is":"OK"},
    {"counter":"packets","actor":"a","grows_by":7},{"counter":"packets","actor":"a","grows_at_least":7},
    {"error":"OUTSIDE_PROXY","what":"fetch","grows_by":1},{"error":"OUTSIDE_PROXY","grows_by":5},
    {"actor":"a","state":"running"},{"exports":2},{"imports":0}])";
  CHECK(unmet_expectations(json::parse(holding).as_array(), outcome).empty());
  const char* unmet =
      R"([{"command":0,"member":"ns","is":51},{"command":0,"member":"ns","at_least":51},
    {"command":0,"member":"ns","at_most":49},{"command":0,"member":"none","is":1},
    {"command":1,"member":"ns","is":50},{"counter":"packets","actor":"a","grows_by":8},
    {"counter":"packets","actor":"b","grows_by":7},{"counter":7,"actor":"a","grows_by":7},
    {"error":"NO","grows_by":1},{"actor":"a","state":"ended"},{"exports":3},{"wishes":3},7])";
  CHECK(unmet_expectations(json::parse(unmet).as_array(), outcome).size() == 13);
}

TEST_CASE("a file that is no scene is left out, and said") {
  const SceneLibrary library({{"a", "{"}, {"b", "{\"id\":\"b\"}"}, {"c", R"({"id":"c","title":"c",
    "machine":{"clock":"real","rows":1,"columns":1},"actors":[{"name":"x","node":0}],
    "setup":[{"actor":"y","do":"fence"}],"steps":[]})"}});
  CHECK(library.all().empty());
  CHECK(library.problems().size() == 3);
}

}  // namespace
}  // namespace vmmc::lab
