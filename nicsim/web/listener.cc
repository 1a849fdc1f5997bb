// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/listener.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

namespace vmmc::nicsim::web {
namespace {

using Endpoint = boost::asio::ip::tcp::endpoint;

constexpr int kBacklog = 64;

std::string with_port(const std::string& address, std::uint16_t port) {
  const bool six = address.find(':') != std::string::npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::string sentence(int number, const std::string& address, std::uint16_t port) {
  switch (number) {
    case EADDRINUSE:
      return "another program listens at " + with_port(address, port) +
             " already; choose another port, or 0 for any that is free";
    case EADDRNOTAVAIL:
      return "this host has no address " + address;
    case EACCES:
      return "port " + std::to_string(port) + " is not for this user: choose one from 1024 on";
    default:
      return "cannot listen at " + with_port(address, port) + ": " + std::strerror(number);
  }
}

// The endpoint that the socket is bound to.
bool find_endpoint(int socket, Endpoint& endpoint) {
  socklen_t length = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(socket, endpoint.data(), &length) != 0) return false;
  const int family = endpoint.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return false;
  endpoint.resize(length);
  return true;
}

}  // namespace

std::variant<Listener, std::string> open_listener(const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const auto number = boost::asio::ip::make_address(address, error);
  if (error) {
    return "--http-address takes an address in numbers, as 127.0.0.1 or ::1, not '" + address + "'";
  }
  const Endpoint wanted(number, port);
  platform::FileDescriptor socket(::socket(
      wanted.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!socket.valid()) return sentence(errno, address, port);
  // Else a nicsim that is started again would have to wait until the connections of the last are forgotten.
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (::bind(socket.get(), wanted.data(), static_cast<socklen_t>(wanted.size())) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return sentence(errno, address, port);
  }
  Endpoint bound;
  if (!find_endpoint(socket.get(), bound)) return sentence(errno, address, port);
  return Listener{std::move(socket), bound.address().to_string(), bound.port()};
}

std::variant<Listener, std::string> adopt_listener(int fd) {
  int listening = 0;
  socklen_t length = sizeof(listening);
  Endpoint bound;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0 ||
      !find_endpoint(fd, bound)) {
    return "--http-fd: descriptor " + std::to_string(fd) + " is no TCP socket that listens";
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return Listener{platform::FileDescriptor(fd), bound.address().to_string(), bound.port()};
}

bool is_loopback(const std::string& address) {
  boost::system::error_code error;
  const auto number = boost::asio::ip::make_address(address, error);
  return !error && number.is_loopback();
}

}  // namespace vmmc::nicsim::web
