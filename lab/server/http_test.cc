// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Who gets in, and who does not.

#include <doctest/doctest.h>

#include <boost/asio/buffer.hpp>

#include "lab/server/testing/lab_rig.h"

namespace vmmc::lab::testing {
namespace {

using Texts = std::vector<std::string>;

TEST_CASE("the page is where the token leads, and nowhere else") {
  Rig rig;
  const auto page = ask(rig, request_for(rig, "/" + rig.token() + "/"));
  CHECK(page.status == 200);
  CHECK(page.fields.at("Content-Type") == "text/html; charset=utf-8");
  CHECK(page.fields.at("Cache-Control") == "no-store");
  CHECK(page.fields.at("X-Content-Type-Options") == "nosniff");
  CHECK(page.fields.at("X-Frame-Options") == "DENY");
  CHECK(page.fields.at("Referrer-Policy") == "no-referrer");
  CHECK(page.fields.at("Content-Security-Policy").find("default-src 'none'") != std::string::npos);
  CHECK(page.fields.count("Access-Control-Allow-Origin") == 0);
  CHECK(page.body.find("<html") != std::string::npos);
  std::string other = rig.token();
  other[7] = other[7] == '0' ? '1' : '0';
  for (const std::string& path :
       Texts{"/", "/" + other + "/", "/" + rig.token(), rig.token() + "/", "/" + rig.token() + "/x",
             "//" + rig.token() + "/", "/" + rig.token().substr(1) + "/"}) {
    CAPTURE(path);
    CHECK(ask(rig, request_for(rig, path)).status == 404);
  }
}

TEST_CASE("HEAD gets the length and no body") {
  Rig rig;
  const auto page = ask(rig, request_for(rig, "/" + rig.token() + "/", "HEAD"));
  CHECK(page.status == 200);
  CHECK(page.body.empty());
  CHECK(page.fields.at("Content-Length") != "0");
}

TEST_CASE("a request for another host is refused, with whatever name it leads here") {
  Rig rig;
  const std::string path = "/" + rig.token() + "/";
  const std::string port = ":" + std::to_string(rig.port());
  for (const std::string& host : Texts{"127.0.0.1" + port, "localhost" + port, "[::1]" + port}) {
    CAPTURE(host);
    CHECK(ask(rig, request_for(rig, path, "GET", host)).status == 200);
  }
  for (const std::string& host :
       Texts{std::string("evil.example") + port, std::string("127.0.0.1"),
             std::string("127.0.0.1:1"), "127.0.0.1.evil.example" + port, "localhost" + port + "0",
             "LOCALHOST.evil" + port, "192.168.0.1" + port, port}) {
    CAPTURE(host);
    CHECK(ask(rig, request_for(rig, path, "GET", host)).status == 421);
  }
  CHECK(ask(rig, "GET " + path + " HTTP/1.1\r\n\r\n").status == 421);
  CHECK(ask(rig, "GET " + path + " HTTP/1.1\r\nHost: " + rig.host() + "\r\nHost: evil\r\n\r\n")
            .status == 421);
}

TEST_CASE("only GET and HEAD, no bodies, no long headers, nothing that is not HTTP") {
  Rig rig;
  const std::string path = "/" + rig.token() + "/";
  for (const std::string& method :
       Texts{"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW"}) {
    CAPTURE(method);
    CHECK(ask(rig, request_for(rig, path, method)).status == 405);
  }
  const std::string head = "GET " + path + " HTTP/1.1\r\nHost: " + rig.host() + "\r\n";
  CHECK(ask(rig, head + "Content-Length: 5\r\n\r\nhello").status == 413);
  CHECK(ask(rig, head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status == 413);
  CHECK(ask(rig, head + "X: " + std::string(100'000, 'x') + "\r\n\r\n").status == 431);
  CHECK(ask(rig, "GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n\r\n").status == 431);
  CHECK(ask(rig, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n").status == 400);
  CHECK(ask(rig, head + "Content-Length: -5\r\n\r\n").status == 400);
}

TEST_CASE("several requests go over one connection") {
  Rig rig;
  const std::string request = request_for(rig, "/" + rig.token() + "/");
  const std::vector<Reply> replies = ask(rig, request + request, 2);
  REQUIRE(replies.size() == 2);
  for (const Reply& reply : replies) CHECK(reply.status == 200);
}

TEST_CASE("a WebSocket is for the own page alone") {
  Rig rig;
  CHECK(Client(rig).open());
  const std::string port = ":" + std::to_string(rig.port());
  for (const std::string& origin :
       Texts{std::string("http://evil.example"), "http://evil.example" + port,
             "https://127.0.0.1" + port, "http://localhost" + port, std::string("null"),
             "http://127.0.0.1" + port + "0"}) {
    CAPTURE(origin);
    CHECK(!Client(rig, origin).open());
  }
  CHECK(!Client(rig, "", "/sockets").open());
  const std::string path = "/" + rig.token() + "/socket";
  CHECK(ask(rig, request_for(rig, path)).status == 403);
  CHECK(ask(rig, "GET " + path + " HTTP/1.1\r\nHost: " + rig.host() + "\r\nOrigin: http://" +
                     rig.host() + "\r\n\r\n")
            .status == 426);
}

TEST_CASE("eight pages, and no more until one goes") {
  Rig rig;
  std::vector<std::unique_ptr<Client>> pages;
  for (std::size_t i = 0; i < kMostPages; ++i) {
    pages.push_back(std::make_unique<Client>(rig));
    REQUIRE(pages.back()->open());
    CHECK(pages.back()->hear().at("type").as_string() == "hello");
  }
  CHECK(!Client(rig).open());
  pages.pop_back();
  while (rig.connections() >= kMostPages) std::this_thread::yield();
  CHECK(Client(rig).open());
}

TEST_CASE("strangers do not keep out who knows the token") {
  nicsim::web::Limits limits;
  limits.connections = 8;
  limits.strangers = 3;
  Rig rig(limits);
  Client page(rig);
  REQUIRE(page.open());
  asio::io_context context;
  std::vector<tcp::socket> strangers;
  for (int i = 0; i < 20; ++i) {
    strangers.push_back(connect(context, rig));
    if (i % 5 == 0) CHECK(ask(rig, request_for(rig, "/" + rig.token() + "/")).status == 200);
  }
  // The page and three strangers; those that have been cut may still be on their way out.
  while (rig.connections() > 4) std::this_thread::yield();
  Client other(rig);
  CHECK(other.open());
  CHECK(page.hear().at("type") == "hello");
}

TEST_CASE("connections that say nothing are closed in time, and there are never too many") {
  nicsim::web::Limits limits;
  limits.connections = 4;
  limits.request_patience = std::chrono::milliseconds(200);
  Rig rig(limits);
  asio::io_context context;
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(connect(context, rig));
  for (tcp::socket& socket : silent) {
    CHECK(rig.connections() <= 4);
    char byte;
    boost::system::error_code error;
    socket.read_some(asio::buffer(&byte, 1), error);
    CHECK(error);
  }
  CHECK(ask_until_answered(rig, request_for(rig, "/")).status == 404);
}

TEST_CASE("a port that is taken, an address that is not this host's") {
  Rig rig;
  auto sentence = [](const std::string& address, std::uint16_t port) {
    const auto opened = nicsim::web::open_listener(address, port);
    const auto* problem = std::get_if<std::string>(&opened);
    return problem != nullptr ? *problem : std::string();
  };
  CHECK(sentence("127.0.0.1", rig.port()).find("another program listens at 127.0.0.1:") == 0);
  CHECK(sentence("192.0.2.1", 0) == "this host has no address 192.0.2.1");
  CHECK(sentence("nowhere", 0).find("--http-address takes an address in numbers") == 0);
  const auto adopted = nicsim::web::adopt_listener(0);
  CHECK(std::get<std::string>(adopted).find("no TCP socket that listens") != std::string::npos);
}

}  // namespace
}  // namespace vmmc::lab::testing
