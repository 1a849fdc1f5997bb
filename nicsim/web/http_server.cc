// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/http_server.h"

#include <fcntl.h>

#include <vector>

#include "nicsim/web/connection.h"
#include "nicsim/web/guarded.h"

namespace vmmc::nicsim::web {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// No descriptor left: others have to go first.
constexpr std::chrono::milliseconds kPauseAfterFailure{100};

}  // namespace

void HttpServer::Shared::accept() {
  acceptor.async_accept(
      [self = shared_from_this()](const boost::system::error_code& error, tcp::socket socket) {
        if (self->ended) return;
        if (!error) {
          guard([&] { self->accepted(std::move(socket)); }, [](const std::string&) {});
          return self->accept();
        }
        self->pause.expires_after(kPauseAfterFailure);
        self->pause.async_wait([self](const boost::system::error_code& cancelled) {
          if (!cancelled && !self->ended) self->accept();
        });
      });
}

void HttpServer::Shared::accepted(tcp::socket socket) {
  if (connections.size() >= limits.connections) return;  // closes it
  make_room_for_stranger();
  // Else a child process would have it, too, and it would stay open after us.
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  start_http_connection(shared_from_this(), std::move(socket));
}

// Who has just come is one until he has asked for something.
void HttpServer::Shared::make_room_for_stranger() {
  std::size_t strangers = 0;
  Connection* oldest = nullptr;
  for (Connection* one : connections) {
    if (!one->is_strangers()) continue;
    ++strangers;
    if (oldest == nullptr || one->number < oldest->number) oldest = one;
  }
  if (oldest != nullptr && strangers >= limits.strangers) oldest->cut();
}

HttpServer::HttpServer(asio::io_context& context, Listener listener, Site& site, Limits limits)
    : shared_(std::make_shared<Shared>(context, listener, site, limits)) {
  const bool six = listener.address.find(':') != std::string::npos;
  shared_->acceptor.assign(six ? tcp::v6() : tcp::v4(), listener.socket.get());
  listener.socket.release();  // the acceptor's from here on
  shared_->accept();
}

HttpServer::~HttpServer() {
  shared_->ended = true;
  boost::system::error_code ignored;
  shared_->acceptor.close(ignored);
  shared_->pause.cancel();
  const std::vector<Connection*> all(shared_->connections.begin(), shared_->connections.end());
  for (Connection* connection : all) connection->cut();
}

std::size_t HttpServer::connections() const { return shared_->connections.size(); }

}  // namespace vmmc::nicsim::web
