// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A small HTTP server in nicsim's event loop: documents to read and WebSockets, for the host's own
// browser.
//
// Whoever connects is a stranger: what he sends is bounded in size, time and number, and a request that is
// not for this server (see request_check.h), not GET or HEAD, or has a body, is refused. Nothing that he
// sends, or does not read, holds up a transfer or lets nicsim's memory grow beyond
// connections x (Limits::outbox + Limits::message + Limits::header).
//
// Threads: nicsim's one thread. Errors end the connection that they happen on.
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>

#include "nicsim/web/listener.h"
#include "nicsim/web/site.h"

namespace vmmc::nicsim::web {

struct Limits {
  std::size_t connections = 64;
  // Of them, those that have asked for nothing that only the lab's users know; of more the oldest ends.
  std::size_t strangers = 32;
  std::uint32_t header = 8192;      // bytes of a request
  std::size_t message = 64 * 1024;  // bytes of one from a WebSocket
  std::size_t skip_above =
      1 << 20;                    // bytes that wait to be sent; above it Weight::kMayBeSkipped is
  std::size_t outbox = 8 << 20;   // bytes that wait to be sent at most
  std::size_t waiting = 4096;     // messages that wait to be sent at most
  int messages_per_second = 500;  // of a WebSocket, pings too; above it is cut off
  std::chrono::milliseconds request_patience{
      10000};                                      // for a whole request, and for taking the answer
  std::chrono::milliseconds idle_patience{30000};  // between two requests; for the answer to a ping
};

class HttpServer {
 public:
  // `site` outlives the server.
  HttpServer(boost::asio::io_context& context, Listener listener, Site& site, Limits limits = {});
  // Ends all connections; what is left of them in the context does nothing.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::size_t connections() const;

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace vmmc::nicsim::web
