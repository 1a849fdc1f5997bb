// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/inspect/snapshot.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <string>

#include "nicsim/testing/lending_fixture.h"

using namespace vmmc;
using nicsim::Instruments;
using nicsim::testing::FakeClient;
using nicsim::testing::LendingFixture;
using wire::Status;
namespace json = boost::json;

namespace {

// Clients on nodes 0, 1 and 2; looks at them.
struct SnapshotFixture : LendingFixture {
  Instruments instruments;
  nicsim::Observed observed{.machine = machine,
                            .instruments = instruments,
                            .socket = "@here",
                            .rows = 2,
                            .columns = 2,
                            .clock_ns = [] { return std::uint64_t{77}; },
                            .observers = [] { return std::size_t{3}; }};

  // As whoever asks gets it.
  json::object look() {
    return json::parse(json::serialize(nicsim::take_snapshot(observed))).as_object();
  }
  json::array look_at(const char* member) { return look().at(member).as_array(); }
  static std::uint64_t number(const json::value& entry, const char* member) {
    return entry.as_object().at(member).to_number<std::uint64_t>();
  }
  static json::value at(const json::value& entry, const char* member) {
    return entry.as_object().at(member);
  }
  static json::object identity(FakeClient& client) {
    return {{"node", client.process->node}, {"process", client.process->id}};
  }
  // Two JSON values are equal if they are the same text: signed and unsigned numbers, too.
  static bool same(const json::value& left, const json::value& right) {
    return json::serialize(left) == json::serialize(right);
  }
};

}  // namespace

TEST_CASE_FIXTURE(SnapshotFixture, "the document says what it is, of what, and when") {
  const json::object snapshot = look();
  CHECK(snapshot.at("format") == "vmmc-snapshot");
  CHECK(snapshot.at("version") == 1);
  const json::value& nicsim = snapshot.at("nicsim");
  CHECK(at(nicsim, "version") == VMMC_VERSION_STRING);
  CHECK(number(nicsim, "wire_version") == wire::kVersion);
  CHECK(at(nicsim, "socket") == "@here");
  CHECK(at(nicsim, "clock") == "real");
  CHECK(at(nicsim, "model") == "none");
  CHECK(number(nicsim, "rows") == 2);
  CHECK(number(nicsim, "columns") == 2);
  CHECK(number(nicsim, "time_ns") == 77);
  CHECK(number(nicsim, "watchers") == 0);
  CHECK(number(nicsim, "observers") == 3);
  CHECK(number(look().at("nicsim"), "uptime_ns") > number(nicsim, "uptime_ns"));
  CHECK(same(snapshot.at("trace"),
             {{"on", false}, {"capacity", 0}, {"written", 0}, {"overwritten", 0}}));
  CHECK(snapshot.at("hardware").as_array().empty());
}

TEST_CASE_FIXTURE(SnapshotFixture, "simulated time shows the clock, the model and the hardware") {
  nicsim::Machine simulated{4, {}};
  simulated.use_simulated_time();
  nicsim::Observed seen{.machine = simulated,
                        .instruments = instruments,
                        .socket = "@here",
                        .rows = 1,
                        .columns = 4,
                        .model = "shrimp-2",
                        .clock_ns = [] { return std::uint64_t{5}; },
                        .hardware = [](std::uint32_t node) -> json::object {
                          return {{"processor.operations", node + 10}};
                        }};
  const json::object snapshot = nicsim::take_snapshot(seen);
  CHECK(at(snapshot.at("nicsim"), "clock") == "simulated");
  CHECK(at(snapshot.at("nicsim"), "model") == "shrimp-2");
  const json::array& hardware = snapshot.at("hardware").as_array();
  REQUIRE(hardware.size() == 4);
  CHECK(number(hardware[2], "node") == 2);
  CHECK(number(at(hardware[2], "counters"), "processor.operations") == 12);
}

TEST_CASE_FIXTURE(SnapshotFixture, "processes: who they are, their queues, segments and counters") {
  const auto memory = register_pages(importer, 3);
  REQUIRE(exporter.export_bytes(1, 0, 4096) == Status::kOk);
  const auto held = import(importer, 1).reply;
  for (int i = 0; i < 5; ++i) importer.post(held, 0, std::as_bytes(std::span("x", 1)));
  importer.process->stalled_on = exporter.process;
  exporter.process->notifications.keep({});
  exporter.process->notifications.post({});
  importer.process->accepts_notifications = false;
  nicsim::ChannelView::count(importer.process->channel.counters().wakeups, 9);
  const json::array processes = look_at("processes");
  REQUIRE(processes.size() == 3);
  const json::value& process = processes[1];
  CHECK(number(process, "node") == 1);
  CHECK(number(process, "process") == importer.process->id);
  CHECK(number(process, "pid") == static_cast<std::uint64_t>(::getpid()));
  CHECK(number(process, "user") == ::getuid());
  CHECK(at(process, "reads_memory").is_bool());
  CHECK(same(at(process, "send_queue"), {{"slots", wire::kSendSlots},
                                         {"published", 5},
                                         {"completed", 0},
                                         {"depth", 5},
                                         {"stalled_on", identity(exporter)}}));
  CHECK(at(at(processes[0], "send_queue"), "stalled_on").is_null());
  CHECK(
      same(at(process, "notifications"),
           {{"slots", wire::kNotificationSlots}, {"queued", 0}, {"kept", 0}, {"accepted", false}}));
  CHECK(
      same(at(processes[0], "notifications"),
           {{"slots", wire::kNotificationSlots}, {"queued", 2}, {"kept", 0}, {"accepted", true}}));
  CHECK(same(at(process, "segments"),
             json::array{{{"segment", importer.segment}, {"pages", 16}, {"lendable", false}},
                         {{"segment", memory.segment}, {"pages", 3}, {"lendable", true}}}));
  CHECK(at(process, "counters").as_object().size() == 21);
  CHECK(number(at(process, "counters"), "wakeups") == 9);
  importer.process->stalled_on = nullptr;
}

TEST_CASE_FIXTURE(SnapshotFixture, "a client that lies about its queues is believed nothing odd") {
  exporter.channel().notification_demand.consumed.store(1'000'000);
  const json::array processes = look_at("processes");
  CHECK(number(at(processes[0], "notifications"), "queued") == wire::kNotificationSlots);
}

TEST_CASE_FIXTURE(SnapshotFixture, "exports: rights of all kinds, properties, extents, importers") {
  REQUIRE(exporter.export_bytes(9, 4096, 100) == Status::kOk);
  auto request = exporter.export_request(5, 8192 + 16, 8000);
  request.access = wire::kAccessRead;
  request.user = ::getuid();
  request.node = 1;
  request.process = importer.process->id;
  request.executor = wire::ExecutorDemand::kNic;
  request.flags = wire::kExportNotifies | wire::kExportRedirectable;
  // Two extents that touch, and one elsewhere.
  request.extents[0] = {exporter.segment, 2, 1, 0};
  request.extents[1] = {exporter.segment, 3, 1, 0};
  request.length = 3 * 4096 - 16;
  request.extents[2] = {exporter.segment, 9, 1, 0};
  request.extent_count = 3;
  REQUIRE(machine.export_buffer(*exporter.process, request) == Status::kOk);
  wire::RedirectRequest redirect{};
  redirect.buffer_id = 5;
  redirect.length = 8;
  redirect.extent_count = 1;
  redirect.extents[0] = {exporter.segment, 12, 1, 0};
  REQUIRE(machine.redirect(*exporter.process, redirect).header.status == Status::kOk);
  const auto held = import(importer, 5, wire::ExecutorDemand::kAny, wire::kAccessRead).reply;
  const json::array exports = look_at("exports");
  REQUIRE(exports.size() == 2);
  const json::value expected{
      {"node", 0},
      {"process", exporter.process->id},
      {"buffer", 5},
      {"bytes", 3 * 4096 - 16},
      {"page_offset", 16},
      {"first_incoming_page", exporter.process->exports.at(5)->first_incoming_page},
      {"pages", 3},
      {"access", "r"},
      {"for_user", ::getuid()},
      {"for_node", 1},
      {"for_process", importer.process->id},
      {"executor", "nic"},
      {"handler", true},
      {"accepts_notifications", true},
      {"redirectable", true},
      {"redirections", 1},
      {"closing", false},
      {"extents", json::array{{{"segment", exporter.segment}, {"first_page", 2}, {"pages", 2}},
                              {{"segment", exporter.segment}, {"first_page", 9}, {"pages", 1}}}},
      {"importers",
       json::array{{{"node", 1}, {"process", importer.process->id}, {"slot", held.import_slot}}}}};
  CHECK(json::serialize(exports[0]) == json::serialize(expected));
  CHECK(at(exports[1], "for_user").is_null());
  CHECK(at(exports[1], "for_node").is_null());
  CHECK(at(exports[1], "for_process").is_null());
  CHECK(at(exports[1], "access") == "rw");
  CHECK(at(exports[1], "executor") == "any");
}

TEST_CASE_FIXTURE(SnapshotFixture, "an export that waits for transfers is closing") {
  REQUIRE(exporter.export_bytes(1, 0, 4096) == Status::kOk);
  const auto held = import(importer, 1).reply;
  importer.post(held, 0, std::as_bytes(std::span("x", 1)));
  CHECK_FALSE(machine.unexport(*exporter.process, {{}, 1, 0}).has_value());
  CHECK(at(look_at("exports")[0], "closing") == true);
}

TEST_CASE_FIXTURE(SnapshotFixture,
                  "imports: their states, from the grant to the exporter's death") {
  auto owner = std::make_unique<FakeClient>(machine, 3);
  const auto memory = export_lendable(1);
  REQUIRE(exporter.export_bytes(2, 0, 4096) == Status::kOk);
  REQUIRE(owner->export_bytes(3, 0, 4096) == Status::kOk);
  const auto lent = import(importer, 1).reply;
  import(importer, 2, wire::ExecutorDemand::kAny, wire::kAccessRead);
  machine.import(*importer.process, importer.import_request(*owner, 3));
  json::array imports = look_at("imports");
  REQUIRE(imports.size() == 3);
  CHECK(same(imports[0], {{"node", 1},
                          {"process", importer.process->id},
                          {"slot", 0},
                          {"generation", lent.import_generation},
                          {"state", "granted_to_host"},
                          {"exporter", identity(exporter)},
                          {"buffer", 1},
                          {"access", "rw"},
                          {"first_page", lent.destination / wire::kPageSize},
                          {"pages", kBufferPages}}));
  CHECK(at(imports[1], "state") == "granted");
  CHECK(at(imports[1], "access") == "r");
  CHECK(at(imports[2], "access") == "w");

  machine.watch(*other.process, {{}, 1, 0});
  unexport(2);
  machine.detach(*owner->process);
  imports = look_at("imports");
  REQUIRE(imports.size() == 3);
  CHECK(at(imports[0], "state") == "granted");  // as somebody watches
  CHECK(at(imports[1], "state") == "unexported");
  CHECK(at(imports[1], "exporter").is_null());
  CHECK(at(imports[1], "buffer").is_null());
  CHECK(at(imports[2], "state") == "peer_dead");
  CHECK(number(look().at("nicsim"), "watchers") == 1);
  CHECK(unimport(importer, lent) == Status::kOk);
  CHECK(look_at("imports").size() == 2);
}

TEST_CASE_FIXTURE(SnapshotFixture, "imports that wait, in the order of who waits for what") {
  CHECK_FALSE(machine.import(*other.process, other.import_request(exporter, 4)).has_value());
  CHECK_FALSE(machine.import(*importer.process, importer.import_request(exporter, 8)).has_value());
  CHECK_FALSE(machine.import(*importer.process, importer.import_request(exporter, 7)).has_value());
  const auto waits = [&](FakeClient& client, std::uint32_t buffer) {
    json::object entry = identity(client);
    entry["exporter"] = identity(exporter);
    entry["buffer"] = buffer;
    return entry;
  };
  CHECK(same(look_at("waiting_imports"),
             json::array{waits(importer, 7), waits(importer, 8), waits(other, 4)}));
}

TEST_CASE_FIXTURE(SnapshotFixture, "bindings, of a buffer that is there and of one that is not") {
  REQUIRE(exporter.export_bytes(1, 0, 8192) == Status::kOk);
  const auto held = import(importer, 1).reply;
  wire::DeclareBindingRequest request{};
  request.import_slot = held.import_slot;
  request.import_generation = held.import_generation;
  request.binding = 6;
  request.capture = 2;
  request.combining = 3;
  request.offset = 4096;
  request.length = 4096;
  request.timer = 50'000;
  request.address = 0x10000;
  request.segment = importer.segment;
  request.first_page = 3;
  REQUIRE(machine.declare_binding(*importer.process, request) == Status::kOk);
  CHECK(same(look_at("bindings"), json::array{{{"node", 1},
                                               {"process", importer.process->id},
                                               {"binding", 6},
                                               {"slot", held.import_slot},
                                               {"exporter", identity(exporter)},
                                               {"buffer", 1},
                                               {"offset", 4096},
                                               {"bytes", 4096},
                                               {"address", 0x10000},
                                               {"segment", importer.segment},
                                               {"page", 3},
                                               {"capture", "shared"},
                                               {"combining", "off"},
                                               {"timer_ns", 50'000},
                                               {"notifies", false}}}));
  unexport(1);
  // Of pages that no segment has, or has any more, nothing is said.
  request.binding = 7;
  request.first_page = 100;
  REQUIRE(machine.declare_binding(*importer.process, request) == Status::kOk);
  REQUIRE(machine.release_segment(*importer.process, importer.segment) == Status::kOk);
  const json::array bindings = look_at("bindings");
  REQUIRE(bindings.size() == 2);
  for (const json::value& each : bindings) {
    CHECK(at(each, "segment").is_null());
    CHECK(at(each, "page").is_null());
  }
  CHECK(at(bindings[0], "exporter").is_null());
  CHECK(at(bindings[0], "buffer").is_null());
}

// The runs, page by page, are the tables.
TEST_CASE_FIXTURE(SnapshotFixture, "page tables are told as runs, and no entry is left out") {
  FakeClient neighbour(machine, 0);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    auto request = exporter.export_request(id, id * 8192 + 12, 4096);
    request.flags = id == 2 ? wire::kExportNotifies : 0;
    REQUIRE(machine.export_buffer(*exporter.process, request) == Status::kOk);
    import(importer, id, wire::ExecutorDemand::kAny, id % 2 == 0 ? wire::kAccessRead : 2);
  }
  REQUIRE(neighbour.export_bytes(1, 0, 16) == Status::kOk);
  unexport(1);
  std::size_t pages = 0;
  for (const json::value& run : look_at("outgoing_pages")) {
    CHECK(number(run, "process") == importer.process->id);
    for (std::uint64_t i = 0; i < number(run, "count"); ++i, ++pages) {
      const nicsim::OutgoingPage* page =
          importer.process->outgoing_pages.find(number(run, "first") + i);
      REQUIRE(page != nullptr);
      CHECK(page->import_slot == number(run, "slot"));
      CHECK(page->node == number(run, "to_node"));
      CHECK(page->incoming_page == number(run, "first_incoming_page") + i);
      CHECK(at(run, "access") == (page->access == 1 ? "r" : page->access == 2 ? "w" : "rw"));
    }
  }
  std::size_t entered = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    if (importer.process->outgoing_pages.find(i) != nullptr) ++entered;
  }
  CHECK(pages == entered);
  CHECK(entered == 6);
  const auto& incoming = machine.backplane().node(0).incoming_pages;
  pages = entered = 0;
  for (const json::value& run : look_at("incoming_pages")) {
    CHECK(number(run, "node") == 0);
    for (std::uint64_t i = 0; i < number(run, "count"); ++i, ++pages) {
      const auto* page = incoming.find(static_cast<std::uint32_t>(number(run, "first") + i));
      REQUIRE(page->buffer != nullptr);
      CHECK(page->buffer->id == number(run, "buffer"));
      CHECK(page->buffer->owner->id == number(run, "process"));
      CHECK(at(run, "interrupts") == page->interrupts);
    }
  }
  for (std::uint32_t i = 0; incoming.find(i) != nullptr; ++i) {
    if (incoming.find(i)->frame != nullptr) ++entered;
  }
  CHECK(pages == entered);
  CHECK(entered == 5);
}

TEST_CASE_FIXTURE(SnapshotFixture, "what the host executor moved is counted when somebody looks") {
  const auto memory = export_lendable(1);
  const auto held = import(importer, 1).reply;
  importer.channel().host_counts[held.import_slot].transfers.store(2);
  importer.channel().host_counts[held.import_slot].bytes_beyond_words.store(4);
  const json::array processes = look_at("processes");
  CHECK(number(at(processes[0], "counters"), "bytes_received") == 20);
  CHECK(number(at(processes[1], "counters"), "host_transfers") == 2);
}

TEST_CASE_FIXTURE(SnapshotFixture, "errors, latencies, the pace and the fault plan") {
  const nicsim::ErrorLog::Key key{Status::kPermissionDenied, "import", 1, importer.process->id, 0,
                                  exporter.process->id,      7};
  for (int i = 0; i < 3; ++i) instruments.errors.add(key);
  instruments.errors.add({Status::kMalformed, "fetch", 2, other.process->id, wire::kAnyNode,
                          wire::kAnyProcess, nicsim::ErrorLog::kNoBuffer});
  instruments.latencies.add(wire::Operation::kFetch, 100);
  instruments.latencies.add(wire::Operation::kFetch, 100);
  instruments.latencies.add(wire::Operation::kFetch, 5000);
  instruments.pace.slow(std::chrono::milliseconds(2), 30);
  instruments.faults.add({nicsim::FaultPlan::Action::kDrop});
  instruments.faults.add({nicsim::FaultPlan::Action::kDelay});
  REQUIRE(instruments.faults.strike(0, 1).has_value());
  const json::object snapshot = look();
  const json::array& errors = snapshot.at("errors").as_array();
  REQUIRE(errors.size() == 2);
  const json::value& denied =
      at(errors[0], "status") == "PERMISSION_DENIED" ? errors[0] : errors[1];
  const json::value& fetch = at(errors[0], "status") == "PERMISSION_DENIED" ? errors[1] : errors[0];
  CHECK(number(denied, "count") == 3);
  CHECK(at(denied, "what") == "import");
  CHECK(same(at(denied, "peer"), identity(exporter)));
  CHECK(number(denied, "buffer") == 7);
  CHECK(number(denied, "first_ns") <= number(denied, "last_ns"));
  CHECK(same(at(denied, "sentence"), json::value(nicsim::ErrorLog::sentence(key))));
  CHECK(at(fetch, "peer").is_null());
  CHECK(at(fetch, "buffer").is_null());
  CHECK(number(snapshot, "errors_not_kept") == 0);
  const json::array& latencies = snapshot.at("latencies").as_array();
  REQUIRE(latencies.size() == 1);
  CHECK(at(latencies[0], "operation") == "fetch");
  CHECK(number(latencies[0], "count") == 3);
  CHECK(number(latencies[0], "p50_ns") == 100);
  CHECK(number(latencies[0], "max_ns") == 5000);
  CHECK(same(at(latencies[0], "buckets").as_array()[0], json::array{100, 2}));
  CHECK(at(latencies[0], "buckets").as_array().size() == 2);
  CHECK(at(snapshot.at("pace"), "mode") == "slow");
  CHECK(number(snapshot.at("pace"), "interval_ns") == 2'000'000);
  CHECK(at(snapshot.at("pace"), "slowdown").to_number<double>() == 30);
  CHECK(same(snapshot.at("faults"),
             {{"planned", 1}, {"dropped", 1}, {"corrupted", 0}, {"delayed", 0}}));
}
