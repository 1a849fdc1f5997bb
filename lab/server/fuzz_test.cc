// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Requests, frames and messages that have been damaged at random: the server goes on, and what it starts
// ends. $VMMC_SEED repeats a run; $VMMC_SOAK: seconds.

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <random>

#include "lab/server/testing/raw_frames.h"

namespace vmmc::lab::testing {
namespace {

class Fuzzer {
 public:
  explicit Fuzzer(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::string damaged(std::string bytes) {
    for (std::uint64_t times = below(4); times > 0 && !bytes.empty(); --times) {
      const std::size_t at = below(bytes.size());
      const std::size_t length = 1 + below(std::min<std::size_t>(16, bytes.size() - at));
      switch (below(6)) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
          break;
        case 1:
          bytes[at] = static_cast<char>(below(256));
          break;
        case 2:
          bytes.erase(at, length);
          break;
        case 3:
          bytes.insert(at, bytes.substr(at, length));
          break;
        case 4:
          bytes.resize(at);
          break;
        default:
          bytes.insert(at, std::string(below(300), static_cast<char>(below(256))));
      }
    }
    return bytes;
  }

  std::string request(const Rig& rig) {
    const std::string path = "/" + rig.token() + "/";
    switch (below(4)) {
      case 0:
        return request_for(rig, path);
      case 1:
        return request_for(rig, path, "POST") + "Content-Length: 4\r\n\r\nabcd";
      case 2:
        return request_for(rig, path) + request_for(rig, "/metrics", "HEAD");
      default:
        return upgrade_request(rig);
    }
  }

  std::string message() {
    static const char* const kMessages[] = {
        R"({"type":"begin","scene":"two"})",
        R"({"type":"begin","scene":"references","clock":"real"})",
        R"({"type":"begin","scene":"free-play"})",
        R"({"type":"step","request":1,"step":0,"parameters":{"bytes":64}})",
        R"({"type":"step","request":2,"step":1})",
        R"({"type":"play","request":3,"actor":"sender","command":{"do":"send","proxy":"p","text":"x"}})",
        R"({"type":"kill","actor":"receiver"})",
        R"({"type":"restart","actor":"sender"})",
        R"({"type":"pace","mode":"slow","interval_ms":10,"slowdown":5})",
        R"({"type":"fault","action":"drop","from":0,"to":null,"skip":1})",
        R"({"type":"look","at":[{"node":0,"process":0,"segment":1,"page":0}]})"};
    return kMessages[below(std::size(kMessages))];
  }

  std::string frames() {
    std::string bytes;
    for (std::uint64_t count = 1 + below(5); count > 0; --count) {
      Frame frame{.content = below(2) == 0 ? message() : damaged(message())};
      if (below(8) == 0) frame.opcode = static_cast<Opcode>(below(16));
      if (below(8) == 0) frame.final = false;
      if (below(16) == 0) frame.masked = false;
      if (below(16) == 0) frame.claimed = below(1 << 20);
      bytes += bytes_of(frame);
    }
    return below(2) == 0 ? bytes : damaged(bytes);
  }

 private:
  std::mt19937_64 random_;
};

void assault(Fuzzer& fuzzer, const Rig& rig) {
  asio::io_context context;
  tcp::socket socket = connect(context, rig);
  const bool upgraded = fuzzer.below(2) == 0;
  std::string bytes = upgraded ? upgrade_request(rig) : fuzzer.damaged(fuzzer.request(rig));
  boost::system::error_code error;
  asio::write(socket, asio::buffer(bytes), error);
  if (upgraded && !error) {
    std::string answer;
    asio::read_until(socket, asio::dynamic_buffer(answer), "\r\n\r\n", error);
    asio::write(socket, asio::buffer(fuzzer.frames()), error);
  }
  if (fuzzer.below(4) == 0) socket.set_option(asio::socket_base::linger(true, 0), error);
  if (fuzzer.below(4) != 0) return;  // gone in the middle
  socket.shutdown(tcp::socket::shutdown_send, error);
  std::string rest;
  asio::read(socket, asio::dynamic_buffer(rest), error);
}

TEST_CASE("damaged requests, frames and messages") {
  const char* given = std::getenv("VMMC_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  const char* soak = std::getenv("VMMC_SOAK");
  const int seconds = soak != nullptr ? std::max(1, std::atoi(soak)) : 8;
  std::printf("VMMC_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Fuzzer fuzzer(seed);
  nicsim::web::Limits limits;
  limits.request_patience = limits.idle_patience = std::chrono::milliseconds(1000);
  Rig rig(limits);
  ::alarm(static_cast<unsigned>(seconds) + kPatience);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  int assaults = 0;
  while (std::chrono::steady_clock::now() < end) {
    assault(fuzzer, rig);
    if (++assaults % 100 != 0) continue;
    // An assault may have asked for another machine, which a fake one never becomes.
    CHECK(ask_until_answered(rig, request_for(rig, "/" + rig.token() + "/")).status == 200);
  }
  while (rig.connections() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  auto page = std::make_unique<Client>(rig);
  while (!page->open()) page = std::make_unique<Client>(rig);  // it was kept from asking in time
  CHECK(page->hear().at("type") == "hello");
  std::printf("%d assaults\n", assaults);
}

}  // namespace
}  // namespace vmmc::lab::testing
