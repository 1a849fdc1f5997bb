// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "nicsim/frames/frame_rings.h"
#include "nicsim/frames/testing/rings_fixture.h"
#include "nicsim/frames/testing/scripted_source.h"
#include "nicsim/inspect/snapshot.h"
#include "nicsim/testing/fake_client.h"

using namespace vmmc;
using nicsim::testing::FakeClient;
using nicsim::testing::open_request;
using nicsim::testing::RingClient;
using nicsim::testing::Script;
using nicsim::testing::ScriptedSource;
using nicsim::testing::some_descriptor;
using wire::FrameSourceKind;
namespace json = boost::json;

namespace {

struct Fixture : nicsim::testing::MachineFixture {
  boost::asio::io_context context{1};
  Script script;
  FakeClient opener{machine, 0};
  FakeClient joiner{machine, 1};
  nicsim::FrameRings rings{context, machine,
                           [this](const wire::OpenRingRequest&, platform::FileDescriptor)
                               -> std::variant<std::unique_ptr<nicsim::FrameSource>, wire::Status> {
                             return std::make_unique<ScriptedSource>(script);
                           }};
  nicsim::Instruments instruments;
  nicsim::Observed observed{.machine = machine,
                            .instruments = instruments,
                            .socket = "@here",
                            .rows = 1,
                            .columns = 4,
                            .clock_ns = [] { return std::uint64_t{77}; },
                            .rings = &rings};

  json::array look() {
    return json::parse(json::serialize(nicsim::take_snapshot(observed))).at("rings").as_array();
  }
  nicsim::RingAnswer open(const wire::OpenRingRequest& request) {
    const bool comes = request.source != FrameSourceKind::kBackplane;
    return rings.open(*opener.process, request,
                      comes ? some_descriptor() : platform::FileDescriptor());
  }
  nicsim::RingAnswer join(std::uint32_t id) {
    wire::JoinRingRequest request{};
    request.node = opener.process->node;
    request.process = opener.process->id;
    request.ring = id;
    return rings.join(*joiner.process, request);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "no rings, and nobody who has any") {
  CHECK(look().empty());
  observed.rings = nullptr;
  CHECK(look().empty());
}

TEST_CASE_FIXTURE(Fixture, "rings: what they are, and what each consumer has got, and has not") {
  auto request = open_request(9, FrameSourceKind::kCaptureFile);
  request.spread = wire::RingSpread::kFlows;
  request.consumers = 2;
  script.waits = false;
  const RingClient first(open(request));
  CHECK(look()[0].at("state") == "waiting");
  const RingClient second(join(9));
  script.available = 1000;
  script.lost = 3;
  while (rings.serve()) {
  }
  rings.prepare_sleep();
  auto of_node = open_request(5, FrameSourceKind::kBackplane);
  of_node.node = 3;
  of_node.sharing = wire::RingSharing::kMirrored;
  const RingClient third(open(of_node));
  const json::array seen = look();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].at("ring") == 5);
  CHECK(seen[0].at("source") == "backplane");
  CHECK(seen[0].at("of_node") == 3);
  CHECK(seen[0].at("sharing") == "mirrored");
  CHECK(seen[0].at("state") == "live");
  CHECK(seen[0].at("consumers").as_array().size() == 1);
  CHECK(seen[1].at("source") == "file");
  CHECK(seen[1].at("of_node").is_null());
  CHECK(seen[1].at("sharing") == "exclusive");
  CHECK(seen[1].at("spread") == "flow");
  CHECK(seen[1].at("blocks") == 4);
  CHECK(seen[1].at("block_bytes") == 8192);
  CHECK(seen[1].at("opener").at("node") == 0);
  // All numbered frames are of one flow: one of them gets all.
  const json::array& consumers = seen[1].at("consumers").as_array();
  REQUIRE(consumers.size() == 2);
  CHECK(consumers[0].at("node") == 0);
  CHECK(consumers[1].at("node") == 1);
  std::int64_t offered = 0;
  std::int64_t all = 0;
  for (const json::value& consumer : consumers) {
    offered += consumer.at("offered").as_int64();
    all += consumer.at("delivered").as_int64() + consumer.at("dropped").as_int64();
    CHECK(consumer.at("returned") == 0);
    CHECK(consumer.at("source_dropped") == 3);
  }
  CHECK(offered == 2);
  CHECK(all == 1000);
  CHECK(seen[1].at("free_blocks") == 2);
}

TEST_CASE_FIXTURE(Fixture, "a ring that has ended, and whose opener has left, comes last") {
  const RingClient first(open(open_request(1, FrameSourceKind::kCaptureFile)));
  const RingClient second(join(1));
  script.ends = true;
  script.status = wire::Status::kFrameSourceGone;
  rings.serve();
  rings.leave(*opener.process);
  const RingClient third(open(open_request(2, FrameSourceKind::kCaptureFile)));
  const json::array seen = look();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].at("ring") == 2);
  CHECK(seen[1].at("opener").is_null());
  CHECK(seen[1].at("state") == "ended");
  CHECK(seen[1].at("status") == "FRAME_SOURCE_GONE");
  REQUIRE(seen[1].at("consumers").as_array().size() == 1);
  CHECK(seen[1].at("consumers").at(0).at("node") == 1);
}
