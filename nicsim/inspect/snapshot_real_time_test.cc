// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "nicsim/inspect/snapshot.h"
#include "nicsim/real_time/testing/channel_ends.h"
#include "nicsim/testing/lending_fixture.h"
#include "nicsim/wire/latency_buckets.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::LendingFixture;
namespace real_time = nicsim::real_time;
namespace json = boost::json;

namespace {

struct ChannelsFixture : LendingFixture {
  nicsim::Instruments instruments;
  nicsim::Observed observed{.machine = machine,
                            .instruments = instruments,
                            .socket = "@here",
                            .rows = 2,
                            .columns = 2,
                            .clock_ns = [] { return std::uint64_t{77}; }};

  // As whoever asks gets it.
  json::array look() {
    const json::object snapshot = nicsim::take_snapshot(observed);
    return json::parse(json::serialize(snapshot.at("real_time_channels"))).as_array();
  }
  std::uint32_t open(wire::ExecutorDemand executor = wire::ExecutorDemand::kNic) {
    wire::OpenChannelRequest request{};
    request.channel = 7;
    request.messages = 100;
    request.period = 1'000'000'000;
    request.deadline = 5'000'000;
    request.longest = 4096;
    request.depth = 4;
    request.executor = executor;
    request.user = wire::kAnyUser;
    request.from_node = wire::kAnyNode;
    request.from_process = wire::kAnyProcess;
    const auto answer = machine.open_channel(*exporter.process, request);
    REQUIRE(answer.reply.header.status == wire::Status::kOk);
    return answer.reply.handle;
  }
  std::uint32_t connect() {
    wire::ConnectChannelRequest request{};
    request.node = exporter.process->node;
    request.process = exporter.process->id;
    request.channel = 7;
    const auto answer = machine.connect_channel(*importer.process, request);
    REQUIRE(answer.reply.header.status == wire::Status::kOk);
    return answer.reply.handle;
  }
  const real_time::ChannelMemory& memory() { return machine.real_time().all().front()->memory(); }
  static json::value identity(FakeClient& client) {
    return {{"node", client.process->node}, {"process", client.process->id}};
  }
  static std::string text(const json::value& value) { return json::serialize(value); }
};

}  // namespace

TEST_CASE_FIXTURE(ChannelsFixture,
                  "real-time channels: whose they are, what they may, who is executor") {
  CHECK(look().empty());
  open(wire::ExecutorDemand::kAny);
  json::object channel = look().at(0).as_object();
  CHECK(text(channel.at("receiver")) == text(identity(exporter)));
  CHECK(channel.at("sender").is_null());
  CHECK(channel.at("channel") == 7);
  CHECK(channel.at("state") == "offered");
  CHECK(channel.at("executor") == "host");
  CHECK(text(channel.at("budget")) ==
        R"({"messages":100,"period_ns":1000000000,"longest":4096,"deadline_ns":5000000})");
  CHECK(channel.at("depth") == 4);
  CHECK(channel.at("bytes").to_number<std::uint64_t>() == machine.real_time().memory());
  const std::uint32_t handle = connect();
  machine.real_time().watch(true);
  channel = look().at(0).as_object();
  CHECK(text(channel.at("sender")) == text(identity(importer)));
  CHECK(channel.at("state") == "connected");
  CHECK(channel.at("executor") == "nic");
  machine.real_time().close(*importer.process, handle);
  channel = look().at(0).as_object();
  CHECK(channel.at("sender").is_null());
  CHECK(channel.at("state") == "sender_ended");
}

TEST_CASE_FIXTURE(ChannelsFixture,
                  "a channel whose receiver has gone is shown while its sender keeps it") {
  const std::uint32_t handle = open();
  connect();
  machine.real_time().close(*exporter.process, handle);
  const json::object channel = look().at(0).as_object();
  CHECK(channel.at("receiver").is_null());
  CHECK(channel.at("state") == "receiver_ended");
}

TEST_CASE_FIXTURE(ChannelsFixture, "counts and latencies of a channel") {
  open();
  connect();
  real_time::testing::SendingEnd sending(memory());
  real_time::testing::ReceivingEnd receiving(memory());
  for (int n = 0; n < 3; ++n) REQUIRE(sending.send_page(64, real_time::monotonic_ns()));
  sending.post({.place = wire::DatagramPlace::kPage, .index = 99}, real_time::monotonic_ns());
  machine.real_time().serve();
  REQUIRE(receiving.receive());
  REQUIRE(receiving.receive());
  for (int n = 0; n < 99; ++n) ++receiving.demand().latencies[wire::latency_bucket(1000)];
  ++receiving.demand().latencies[wire::latency_bucket(9'000'000)];
  receiving.demand().deadline_misses = 1;
  sending.source().refused = 5;
  sending.source().without_page = 6;
  const json::object channel = look().at(0).as_object();
  CHECK(text(channel.at("counts")) ==
        R"({"sent":4,"received":2,"lost":0,"refused":1,"over_budget":5,"without_page":6,)"
        R"("deadline_misses":1})");
  const json::object& latency = channel.at("latency").as_object();
  CHECK(latency.at("p50_ns").to_number<double>() == doctest::Approx(1000).epsilon(0.04));
  CHECK(latency.at("p99_ns").to_number<double>() == doctest::Approx(1000).epsilon(0.04));
  CHECK(latency.at("max_ns").to_number<double>() == doctest::Approx(9'000'000).epsilon(0.04));
}

TEST_CASE_FIXTURE(ChannelsFixture,
                  "processes that lie about a channel are shown as they lie, in bounds") {
  open();
  connect();
  real_time::testing::ReceivingEnd receiving(memory());
  receiving.demand().received = UINT64_MAX - 1;
  receiving.demand().lost = 77;
  for (auto& count : receiving.demand().latencies) count = UINT64_MAX;
  for (std::uint64_t n = 0; n < wire::kChannelSlots; ++n) {
    memory().arrival().slots[(75 + n) % wire::kChannelSlots].sequence = 76 + n;
  }
  const json::object channel = look().at(0).as_object();
  const json::object& counts = channel.at("counts").as_object();
  CHECK(counts.at("received").to_number<std::uint64_t>() == UINT64_MAX - 1);
  CHECK(counts.at("sent").to_number<std::uint64_t>() == 75 + wire::kChannelSlots);
  CHECK(channel.at("latency").as_object().at("max_ns").to_number<std::uint64_t>() ==
        wire::latency_of_bucket(wire::kLatencyBuckets - 1));
}
