// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/detector.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "examples/intrusiondetector/capture_maker.h"
#include "examples/intrusiondetector/frame_builder.h"

namespace examples::intrusiondetector {
namespace {

Rules rules_of(const std::string& text) {
  auto parsed = parse_rules(text);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) FAIL(*wrong);
  return std::get<Rules>(parsed);
}

Bytes bytes_of(const std::string& frame) {
  return {reinterpret_cast<const unsigned char*>(frame.data()), frame.size()};
}

// One process with all of the frames.
class Watch {
 public:
  explicit Watch(const std::string& rules) : rules_(rules_of(rules)) {
    for (const ScanRule& rule : rules_.scans) scans_.emplace_back(rule);
  }
  void look_at(const std::string& frame, std::uint64_t time = 1) {
    detector_.look_at(bytes_of(frame), time);
  }

  std::vector<std::string> alerts;
  const Detector& detector() const { return detector_; }

 private:
  Rules rules_;
  std::vector<ScanWatch> scans_;
  Detector detector_{rules_,
                     [this](const Alert& alert) {
                       alerts.push_back(alert.rule + ' ' + alert.from + " > " + alert.to);
                     },
                     [this](const Opening& opening) {
                       for (ScanWatch& scan : scans_) {
                         if (!scan.add(opening)) continue;
                         alerts.push_back(scan.rule().name + ' ' + text_of(opening.from) + " > " +
                                          text_of(opening.to));
                       }
                     }};
};

const Endpoint kClient = endpoint("10.0.0.1", 4000);
const Endpoint kServer = endpoint("10.0.0.2", 80);
const std::string kRule = "content c tcp 80 \"needle\"";

std::string segment(std::uint32_t sequence, const std::string& payload) {
  return tcp_frame(kClient, kServer, sequence, kPushAck, payload);
}

std::size_t alerts_of(const std::vector<std::string>& frames) {
  Watch watch(kRule);
  for (const std::string& frame : frames) watch.look_at(frame);
  return watch.alerts.size();
}

}  // namespace

TEST_CASE("a content in one segment, and over segments that follow each other") {
  CHECK(alerts_of({segment(1, "a needle in it")}) == 1);
  CHECK(alerts_of({segment(1, "a needl")}) == 0);
  for (std::uint32_t cut = 1; cut < 6; ++cut) {
    const std::string text = "needle";
    CHECK(alerts_of({segment(1, text.substr(0, cut)),
                     segment(1 + cut, text.substr(cut) + "and more")}) == 1);
    CHECK(alerts_of({segment(1, text.substr(0, cut)), segment(2 + cut, text.substr(cut))}) == 0);
    CHECK(alerts_of({segment(1 + cut, text.substr(cut)), segment(1, text.substr(0, cut))}) == 0);
  }
  CHECK(alerts_of({segment(1, "n"), segment(2, "e"), segment(3, "e"), segment(4, "d"),
                   segment(5, "l"), segment(6, "e")}) == 1);
  CHECK(alerts_of({segment(0xfffffffe, "nee"), segment(1, "dle")}) == 1);
}

TEST_CASE("directions and flows stand alone, and a flow has one alert of a rule") {
  CHECK(alerts_of({segment(1, "nee"), tcp_frame(kServer, kClient, 4, kPushAck, "dle"),
                   segment(4, "dle")}) == 1);
  CHECK(alerts_of({segment(1, "nee"), tcp_frame(kServer, kClient, 4, kPushAck, "dle")}) == 0);
  CHECK(alerts_of({segment(1, "nee"),
                   tcp_frame(endpoint("10.0.0.1", 4001), kServer, 4, kPushAck, "dle")}) == 0);
  CHECK(alerts_of({segment(1, "needle"), segment(7, "needle")}) == 1);
  CHECK(alerts_of({segment(1, "needle"),
                   tcp_frame(endpoint("10.0.0.1", 4001), kServer, 1, kPushAck, "needle")}) == 2);
}

TEST_CASE("other ports and protocols are none of the rule's business") {
  CHECK(alerts_of({tcp_frame(kClient, endpoint("10.0.0.2", 81), 1, kPushAck, "needle")}) == 0);
  CHECK(alerts_of({udp_frame(kClient, kServer, "needle")}) == 0);
  CHECK(alerts_of({tcp_frame(endpoint("fd00::1", 1), endpoint("fd00::2", 80), 1, kPushAck,
                             "needle")}) == 1);
  std::string tagged = segment(1, "needle");
  tagged.insert(12, std::string("\x81\0\0\x05", 4));
  CHECK(alerts_of({tagged}) == 1);
}

TEST_CASE("a scan is found once, whatever the order of its packets") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  std::vector<Opening> openings;
  for (std::uint16_t port = 1; port <= 20; ++port) {
    openings.push_back(
        {1'000'000'000 + port * std::uint64_t{10'000'000}, kClient.address, kServer.address, port});
  }
  for (int i = 0; i < 100; ++i) {
    std::shuffle(openings.begin(), openings.end(), random);
    ScanWatch watch({"s", 10, 1'000'000'000});
    CHECK(std::count_if(openings.begin(), openings.end(),
                        [&](const Opening& one) { return watch.add(one); }) == 1);
  }
}

TEST_CASE("what is no scan, and a second one") {
  ScanWatch watch({"s", 3, 100});
  const auto open = [&](std::uint64_t time, std::uint16_t port) {
    return watch.add({time, kClient.address, kServer.address, port});
  };
  CHECK_FALSE(open(1000, 1));
  CHECK_FALSE(open(1001, 1));
  CHECK_FALSE(open(1002, 1));  // one port
  CHECK_FALSE(open(1050, 2));
  CHECK_FALSE(open(1103, 3));  // the first is too long ago
  CHECK(open(1104, 4));
  CHECK_FALSE(open(1150, 5));
  CHECK_FALSE(open(1160, 6));
  CHECK_FALSE(open(1170, 7));  // still the same one
  CHECK_FALSE(open(2000, 1));
  CHECK_FALSE(open(2001, 2));
  CHECK(open(2002, 3));
  CHECK_FALSE(watch.add({2003, kServer.address, kClient.address, 4}));
}

TEST_CASE("the flow table counts both directions, ages, and has a bound") {
  FlowTable table(3);
  const auto make = [](std::uint16_t port, bool back) {
    Packet packet;
    packet.from = endpoint("10.0.0.1", port);
    packet.to = kServer;
    if (back) std::swap(packet.from, packet.to);
    static constexpr unsigned char kPayload[10] = {};
    packet.payload = kPayload;
    return packet;
  };
  CHECK(&table.count(make(1, false), 1) == &table.count(make(1, true), 2));
  const Flow& flow = table.count(make(1, false), 3);
  CHECK(flow.packets == 3);
  CHECK(flow.bytes == 30);
  table.count(make(2, false), 4);
  table.count(make(3, false), 5);
  table.count(make(1, true), 6);
  table.count(make(4, false), 7);  // 2 goes
  CHECK(table.size() == 3);
  CHECK(table.forgotten() == 1);
  CHECK(table.count(make(1, false), 8).packets == 5);
  CHECK(table.count(make(2, false), 9).packets == 1);
  table.count(make(5, false), 10 + FlowTable::kSilence);
  CHECK(table.size() == 1);
  CHECK(table.begun() == 6);
}

TEST_CASE("times at the end of all time are times like others") {
  constexpr std::uint64_t kLast = UINT64_MAX;
  ScanWatch watch({"s", 3, 100});
  const auto open = [&](std::uint64_t time, std::uint16_t port) {
    return watch.add({time, kClient.address, kServer.address, port});
  };
  CHECK_FALSE(open(kLast - 3, 1));
  CHECK_FALSE(open(kLast - 2, 2));
  CHECK(open(kLast - 1, 3));
  CHECK_FALSE(open(kLast, 4));  // the same one
  FlowTable table(3);
  Packet packet;
  packet.from = kClient;
  packet.to = kServer;
  table.count(packet, kLast - 1);
  CHECK(table.count(packet, kLast).packets == 2);
  packet.to.port = 81;
  table.count(packet, kLast);
  CHECK(table.size() == 2);
}

TEST_CASE("exactly what was planted is found in a made capture") {
  std::ifstream file("examples/intrusiondetector/rules.txt");
  REQUIRE(file.is_open());
  Watch watch({std::istreambuf_iterator<char>(file), {}});
  const MadeCapture made = make_capture(kFewestFrames);
  for (std::size_t at = 24; at < made.pcap.size();) {
    std::uint32_t header[4];
    REQUIRE(at + sizeof header <= made.pcap.size());
    std::memcpy(header, made.pcap.data() + at, sizeof header);
    at += sizeof header;
    watch.look_at(made.pcap.substr(at, header[2]),
                  header[0] * std::uint64_t{1'000'000'000} + header[1]);
    at += header[2];
  }
  auto planted = made.planted;
  std::sort(planted.begin(), planted.end());
  std::sort(watch.alerts.begin(), watch.alerts.end());
  CHECK(watch.alerts == planted);
  CHECK(planted.size() == 6);
  CHECK(watch.detector().flows().begun() > 100);
}

TEST_CASE("frames that are cut, and random ones") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  const std::string good[] = {
      segment(1, "needle"), udp_frame(kClient, kServer, "x"),
      tcp_frame(endpoint("fd00::1", 1), endpoint("fd00::2", 80), 1, kPushAck, "needle")};
  std::uint64_t looked = 0;
  Watch watch(kRule);
  for (int i = 0; i < 100'000; ++i) {
    std::string frame = good[random() % 3];
    frame.resize(random() % (frame.size() + 1));
    for (unsigned changes = random() % 4; changes > 0 && !frame.empty(); --changes) {
      frame[random() % frame.size()] = static_cast<char>(random());
    }
    frame.shrink_to_fit();
    const auto packet = parse(bytes_of(frame));
    if (packet) {
      ++looked;
      REQUIRE(packet->payload.size() <= frame.size());
      REQUIRE((packet->payload.empty() || packet->payload.data() + packet->payload.size() <=
                                              bytes_of(frame).data() + frame.size()));
    }
    watch.look_at(frame, static_cast<std::uint64_t>(i));
  }
  CHECK(looked > 1000);
  CHECK(watch.detector().flows().size() <= Detector::kMostFlows);
}

}  // namespace examples::intrusiondetector
