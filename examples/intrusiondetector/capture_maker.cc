// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "examples/intrusiondetector/capture_maker.h"

#include <algorithm>
#include <cstddef>
#include <random>
#include <utility>

#include "examples/intrusiondetector/frame_builder.h"

namespace examples::intrusiondetector {
namespace {

constexpr std::uint64_t kStart = 1'700'000'000'000'000'000;  // ns since 1970
constexpr std::uint64_t kStep = 1'000'000;                   // ns from frame to frame
constexpr std::size_t kConversations = 64;                   // at a time
const std::string kWebShell = "GET /cgi-bin/sh?cmd=";
const std::string kSled(24, '\x90');

// Frames that come behind the harmless frame of this number.
using Planted = std::vector<std::pair<std::uint32_t, std::string>>;

class Attacks {
 public:
  explicit Attacks(std::uint32_t frames) : frames_(frames) {
    whole();
    split_in_two();
    split_in_many();
    datagram();
    sixth_version();
    scan();
    look_alikes();
    slow_scan();
    std::stable_sort(planted_.begin(), planted_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  const Planted& planted() const { return planted_; }
  std::vector<std::string> found() { return std::move(found_); }

 private:
  // None in the first part: processes join while it goes by.
  std::uint32_t at(std::uint32_t percent) const { return frames_ / 100 * percent; }
  void plant(std::uint32_t place, std::string frame) {
    planted_.emplace_back(place, std::move(frame));
  }
  void expect(const char* rule, const Endpoint& from, const Endpoint& to) {
    found_.push_back(std::string(rule) + ' ' + text_of(from) + " > " + text_of(to));
  }

  void whole() {
    const Endpoint from = endpoint("10.66.0.1", 31001);
    plant(at(40), tcp_frame(from, web_, 1000, kPushAck, kWebShell + "id HTTP/1.1\r\n\r\n"));
    plant(at(41), tcp_frame(from, web_, 1000, kPushAck, kWebShell));  // again: one alert for a flow
    expect("web-shell", from, web_);
  }
  void split_in_two() {
    const Endpoint from = endpoint("10.66.0.2", 31002);
    // The number wraps round in between.
    plant(at(45), tcp_frame(from, web_, 0xfffffff8, kPushAck, kWebShell.substr(0, 8)));
    plant(at(50), tcp_frame(from, web_, 0, kPushAck, kWebShell.substr(8)));
    expect("web-shell", from, web_);
  }
  void split_in_many() {
    const Endpoint from = endpoint("10.66.0.3", 31003);
    for (std::uint32_t i = 0; i < kWebShell.size(); ++i) {
      plant(at(51) + i, tcp_frame(from, web_, 1000 + i, kPushAck, kWebShell.substr(i, 1)));
    }
    expect("web-shell", from, web_);
  }
  void datagram() {
    const Endpoint from = endpoint("10.66.0.4", 31004);
    const Endpoint to = endpoint("10.0.0.53", 53);
    plant(at(55), udp_frame(from, to, "query" + kSled + "/bin/sh"));
    expect("nop-sled", from, to);
  }
  void sixth_version() {
    const Endpoint from = endpoint("fd00::66", 31005);
    const Endpoint to = endpoint("fd00::80", 8080);
    plant(at(60), tcp_frame(from, to, 5, kPushAck, kWebShell));
    expect("web-shell", from, to);
  }
  void scan() {
    const Endpoint from = endpoint("10.66.0.5", 31006);
    for (std::uint16_t i = 0; i < 30; ++i) {
      const auto port = static_cast<std::uint16_t>(1000 + 7 * i);
      plant(at(70) + 10u * i, tcp_frame(from, endpoint("10.0.0.90", port), 1, kSyn, ""));
    }
    found_.push_back("port-scan 10.66.0.5 > 10.0.0.90");
  }
  // What is to be found nowhere: another port, a hole, another flow, another order.
  void look_alikes() {
    const Endpoint from = endpoint("10.77.0.1", 32001);
    plant(at(42), tcp_frame(from, endpoint("10.0.0.80", 9999), 1, kPushAck, kWebShell));
    plant(at(43), udp_frame(from, web_, kWebShell));
    plant(at(62), tcp_frame(from, web_, 1000, kPushAck, kWebShell.substr(0, 8)));
    plant(at(63), tcp_frame(from, web_, 1009, kPushAck, kWebShell.substr(8)));
    plant(at(64),
          tcp_frame(endpoint("10.77.0.2", 32002), web_, 1000, kPushAck, kWebShell.substr(0, 8)));
    plant(at(65),
          tcp_frame(endpoint("10.77.0.3", 32003), web_, 1008, kPushAck, kWebShell.substr(8)));
    plant(at(66), udp_frame(from, endpoint("10.0.0.53", 53), kSled.substr(0, 8)));
    plant(at(67), udp_frame(from, endpoint("10.0.0.53", 53), kSled.substr(8)));
    // Many connections to one port, and few to many.
    for (std::uint16_t i = 0; i < 60; ++i) {
      plant(at(72) + 5u * i, tcp_frame(endpoint("10.77.0.4", static_cast<std::uint16_t>(33000 + i)),
                                       web_, 1, kSyn, ""));
    }
  }
  void slow_scan() {
    for (std::uint16_t i = 0; i < 25; ++i) {
      const auto port = static_cast<std::uint16_t>(2000 + i);
      plant(at(20) + i * at(2),
            tcp_frame(endpoint("10.77.0.5", 34000), endpoint("10.0.0.91", port), 1, kSyn, ""));
    }
  }

  const Endpoint web_ = endpoint("10.0.0.80", 80);
  std::uint32_t frames_;
  Planted planted_;
  std::vector<std::string> found_;
};

// Clients that ask servers, which answer.
class Background {
 public:
  std::string next() {
    Conversation& it = conversations_[random_() % kConversations];
    if (it.left == 0) begin(it);
    --it.left;
    if (it.sequence[0] == 0) {
      it.sequence[0] = 1;
      return tcp_frame(it.client, it.server, 0, kSyn, "");
    }
    const bool asks = random_() % 3 == 0;
    const std::string payload = prose(asks ? 40 : 400);
    std::uint32_t& sequence = it.sequence[asks ? 0 : 1];
    const std::uint32_t now =
        std::exchange(sequence, sequence + static_cast<std::uint32_t>(payload.size()));
    return asks ? tcp_frame(it.client, it.server, now, kPushAck, payload)
                : tcp_frame(it.server, it.client, now, kPushAck, payload);
  }

 private:
  struct Conversation {
    Endpoint client;
    Endpoint server;
    std::uint32_t sequence[2] = {0, 0};
    std::uint32_t left = 0;
  };

  void begin(Conversation& it) {
    constexpr std::uint16_t kPorts[] = {80, 443, 25, 8080};
    const auto port = static_cast<std::uint16_t>(1024 + next_client_ % 60'000);
    it.client = endpoint("10.1." + std::to_string(next_client_ % 4) + ".9", port);
    it.server = endpoint("10.0.0." + std::to_string(80 + random_() % 4), kPorts[random_() % 4]);
    it.sequence[0] = it.sequence[1] = 0;
    it.left = 5 + static_cast<std::uint32_t>(random_() % 40);
    ++next_client_;
  }
  std::string prose(std::size_t words) {
    constexpr const char* kWords[] = {"GET ",  "/index ", "cmd ", "the ",
                                      "page ", "of ",     "sh ",  "\r\n"};
    std::string text;
    for (std::size_t i = random_() % words; i > 0; --i) text += kWords[random_() % 8];
    return text;
  }

  std::mt19937 random_{7};  // what it gives is laid down by the standard
  std::uint32_t next_client_ = 0;
  Conversation conversations_[kConversations];
};

void append(std::string& to, std::uint32_t value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_frame(std::string& to, std::uint64_t number, const std::string& frame) {
  const std::uint64_t time = kStart + number * kStep;
  append(to, static_cast<std::uint32_t>(time / 1'000'000'000));
  append(to, static_cast<std::uint32_t>(time % 1'000'000'000));
  append(to, static_cast<std::uint32_t>(frame.size()));
  append(to, static_cast<std::uint32_t>(frame.size()));
  to += frame;
}

}  // namespace

MadeCapture make_capture(std::uint32_t frames) {
  MadeCapture made;
  // Times are ns; version 2.4; frames of at most 262144 bytes; Ethernet.
  for (const std::uint32_t word : {0xa1b23c4du, 0x00040002u, 0u, 0u, 262'144u, 1u})
    append(made.pcap, word);
  Attacks attacks(frames);
  Background background;
  auto planted = attacks.planted().begin();
  std::uint64_t number = 0;
  for (std::uint32_t i = 0; i < frames; ++i) {
    append_frame(made.pcap, number++, background.next());
    for (; planted != attacks.planted().end() && planted->first == i; ++planted) {
      append_frame(made.pcap, number++, planted->second);
    }
  }
  made.planted = attacks.found();
  return made;
}

}  // namespace examples::intrusiondetector
