// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The lab's server over a fake machine with fake actors, in a thread of its own, and clients that speak
// to it by real sockets. Whatever does not come ends the test by an alarm.
//
// Threads: a test's one thread; Rig::run() reaches into the server's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lab/server/lab_server.h"
#include "lab/server/testing/fake_view.h"
#include "nicsim/web/http_server.h"

namespace vmmc::lab {
const std::vector<SceneText>& testing_scenes();
}

namespace vmmc::lab::testing {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::ip::tcp;

inline constexpr unsigned kPatience = 120;  // seconds

class Rig {
 public:
  explicit Rig(nicsim::web::Limits limits = {}, std::string scene = "");
  ~Rig();

  // In the server's thread.
  template <typename Function>
  auto run(Function function) {
    std::packaged_task<decltype(function(view_))()> task([&] { return function(view_); });
    auto result = task.get_future();
    asio::post(context_, [&task] { task(); });
    return result.get();
  }
  std::size_t connections();

  std::uint16_t port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  const std::string& token() const { return token_; }

 private:
  asio::io_context context_{1};
  FakeView view_;
  SceneLibrary scenes_;
  std::string token_ = make_token();
  std::uint16_t port_ = 0;
  std::unique_ptr<LabServer> lab_;
  std::unique_ptr<nicsim::web::HttpServer> server_;
  std::thread thread_;
};

tcp::socket connect(asio::io_context& context, const Rig& rig);

struct Reply {
  unsigned status = 0;  // 0: there was none
  std::map<std::string, std::string> fields;
  std::string body;
};

// What the server answers to these bytes: to one request, or to so many over one connection.
Reply ask(const Rig& rig, const std::string& bytes);
std::vector<Reply> ask(const Rig& rig, const std::string& bytes, std::size_t replies);
// The same of a server that has little patience: whoever was kept from asking in time asks again.
Reply ask_until_answered(const Rig& rig, const std::string& bytes);

std::string request_for(const Rig& rig, const std::string& path, const std::string& method = "GET",
                        std::string host = "");

// A page without a browser.
class Client {
 public:
  explicit Client(const Rig& rig, std::string origin = "", const std::string& path = "/socket");
  ~Client();

  bool open() const;

  void say(const json::value& message);
  void say_text(const std::string& text);

  // The next message; null: the connection has ended.
  json::value hear();
  // The next one of this type; what comes before it is left out.
  json::value hear(std::string_view type);
  // The same, and the answer to what this page has asked for: others', and older ones, are left out.
  json::value hear_own(std::string_view type, std::int64_t request);
  json::value problem() { return hear("problem"); }

  json::value begin(std::string_view scene);
  json::value step(int index, int request = 1, json::object parameters = {});

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
  std::int64_t begins_ = 1'000'000;  // their requests
};

}  // namespace vmmc::lab::testing
