// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/testing/lab_rig.h"

#include <signal.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>

namespace vmmc::lab::testing {

namespace beast = boost::beast;
namespace http = beast::http;

Rig::Rig(nicsim::web::Limits limits, std::string scene) : scenes_(testing_scenes()) {
  ::alarm(kPatience);
  ::signal(SIGPIPE, SIG_IGN);  // as nicsim does: an actor that ends may still be told something
  auto listener = nicsim::web::open_listener("127.0.0.1", 0);
  port_ = std::get<nicsim::web::Listener>(listener).port;
  const std::string actor = std::string(std::getenv("TEST_SRCDIR")) + "/vmmc/lab/server/fake_actor";
  lab_ = std::make_unique<LabServer>(context_, view_, scenes_,
                                     LabOptions{token_, actor, std::move(scene)});
  server_ = std::make_unique<nicsim::web::HttpServer>(
      context_, std::move(std::get<nicsim::web::Listener>(listener)), *lab_, limits);
  thread_ = std::thread([this] {
    const auto work = asio::make_work_guard(context_);
    context_.run();
  });
}

Rig::~Rig() {
  context_.stop();
  thread_.join();
  server_.reset();
  lab_.reset();
  ::alarm(0);
}

std::size_t Rig::connections() {
  return run([this](FakeView&) { return server_->connections(); });
}

tcp::socket connect(asio::io_context& context, const Rig& rig) {
  tcp::socket socket(context);
  socket.connect({asio::ip::address_v4::loopback(), rig.port()});
  return socket;
}

std::vector<Reply> ask(const Rig& rig, const std::string& bytes, std::size_t replies) {
  asio::io_context context;
  tcp::socket socket = connect(context, rig);
  beast::error_code error;
  asio::write(socket, asio::buffer(bytes), error);
  beast::flat_buffer buffer;
  std::vector<Reply> all;
  while (all.size() < replies) {
    http::response_parser<http::string_body> parser;
    if (bytes.rfind("HEAD", 0) == 0) parser.skip(true);
    http::read(socket, buffer, parser, error);
    if (error) break;
    Reply& reply = all.emplace_back();
    reply.status = parser.get().result_int();
    reply.body = parser.get().body();
    for (const auto& field : parser.get()) {
      reply.fields[std::string(field.name_string())] = std::string(field.value());
    }
  }
  return all;
}

Reply ask(const Rig& rig, const std::string& bytes) {
  const std::vector<Reply> replies = ask(rig, bytes, 1);
  return replies.empty() ? Reply{} : replies.front();
}

Reply ask_until_answered(const Rig& rig, const std::string& bytes) {
  Reply reply;
  while (reply.status == 0) reply = ask(rig, bytes);
  return reply;
}

std::string request_for(const Rig& rig, const std::string& path, const std::string& method,
                        std::string host) {
  if (host.empty()) host = rig.host();
  return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

struct Client::Connection {
  explicit Connection(const Rig& rig) : socket(connect(context, rig)) {}
  asio::io_context context;
  beast::error_code error;
  beast::websocket::stream<tcp::socket> socket;
};

Client::Client(const Rig& rig, std::string origin, const std::string& path)
    : connection_(std::make_unique<Connection>(rig)) {
  if (origin.empty()) origin = "http://" + rig.host();
  connection_->socket.set_option(
      beast::websocket::stream_base::decorator([origin](beast::websocket::request_type& request) {
        request.set(http::field::origin, origin);
      }));
  connection_->socket.handshake(rig.host(), "/" + rig.token() + path, connection_->error);
}

Client::~Client() = default;

bool Client::open() const { return !connection_->error; }

void Client::say(const json::value& message) { say_text(json::serialize(message)); }

void Client::say_text(const std::string& text) {
  connection_->socket.write(asio::buffer(text), connection_->error);
}

json::value Client::hear() {
  beast::flat_buffer buffer;
  connection_->socket.read(buffer, connection_->error);
  if (connection_->error) return nullptr;
  return json::parse(beast::buffers_to_string(buffer.data()));
}

json::value Client::hear(std::string_view type) {
  while (true) {
    json::value message = hear();
    if (message.is_null() || message.at("type").as_string() == type) return message;
  }
}

json::value Client::hear_own(std::string_view type, std::int64_t request) {
  while (true) {
    json::value message = hear(type);
    if (message.is_null() || message.at("request") == request) return message;
  }
}

json::value Client::begin(std::string_view scene) {
  const std::int64_t request = ++begins_;
  say({{"type", "begin"}, {"request", request}, {"scene", scene}});
  return hear_own("begun", request);
}

json::value Client::step(int index, int request, json::object parameters) {
  say({{"type", "step"}, {"request", request}, {"step", index}, {"parameters", parameters}});
  return hear_own("step_done", request);
}

}  // namespace vmmc::lab::testing
