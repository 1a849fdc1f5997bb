// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The HTTP server's insides: what its connections have in common, and the two kinds of them.
//
// Threads: nicsim's one thread. A connection is kept alive by the operation that is under way on it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cstdint>
#include <memory>
#include <set>

#include "nicsim/web/http_server.h"
#include "nicsim/web/request_check.h"

namespace vmmc::nicsim::web {

using Request = boost::beast::http::request<boost::beast::http::empty_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

class Connection {
 public:
  virtual ~Connection() = default;
  virtual void cut() = 0;  // ends it at once
  // Nothing that came over it has shown the right to be here, and it has not been cut.
  virtual bool is_strangers() const = 0;
  std::uint64_t number = 0;  // in the order in which they came
};

struct HttpServer::Shared : std::enable_shared_from_this<HttpServer::Shared> {
  Shared(boost::asio::io_context& context, const Listener& listener, Site& served, Limits bounds)
      : acceptor(context),
        pause(context),
        site(served),
        limits(bounds),
        check(listener.address, listener.port) {}

  void accept();
  void accepted(boost::asio::ip::tcp::socket socket);
  void make_room_for_stranger();

  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::steady_timer pause;
  Site& site;
  const Limits limits;
  const RequestCheck check;
  std::set<Connection*> connections;  // each enters and leaves by itself
  std::uint64_t last_connection = 0;
  bool ended = false;
};

// Reads requests and answers them; hands a WebSocket's connection over.
void start_http_connection(const std::shared_ptr<HttpServer::Shared>& shared,
                           boost::asio::ip::tcp::socket socket);
// `request` is one for a WebSocket, and has been checked.
void start_web_socket(const std::shared_ptr<HttpServer::Shared>& shared,
                      boost::beast::tcp_stream stream, const Request& request);

}  // namespace vmmc::nicsim::web
