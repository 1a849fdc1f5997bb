// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel's datagrams: UDP over loopback, and Unix datagram sockets.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "bench/rtz/port.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

constexpr int kSocketBuffer = 8 << 20;  // so that a stall of the receiver loses nothing
constexpr std::size_t kPage = 4096;

class SocketPort final : public Port {
 public:
  SocketPort(int socket, std::size_t longest)
      : socket_(socket), outgoing_(longest + kPage), incoming_(longest) {}

  std::span<std::byte> prepare(std::size_t length) override {
    const auto address = reinterpret_cast<std::uintptr_t>(outgoing_.data());
    return std::span(outgoing_).subspan((kPage - address % kPage) % kPage, length);
  }

  void send(std::size_t length) override {
    const auto data = prepare(length);
    while (::send(socket_, data.data(), length, 0) != static_cast<ssize_t>(length)) {
      if (errno != EINTR && errno != ENOBUFS) fail_by_errno("send");
    }
  }

  std::span<const std::byte> receive(std::uint64_t timeout) override {
    const int flags = timeout == 0 ? MSG_DONTWAIT : 0;
    if (timeout != 0) set_timeout(timeout);
    const ssize_t length = ::recv(socket_, incoming_.data(), incoming_.size(), flags);
    if (length >= 0) return std::span(incoming_).first(static_cast<std::size_t>(length));
    if (errno != EAGAIN && errno != EINTR) fail_by_errno("recv");
    return {};
  }
  void release() override {}

  std::string path() const override { return "kernel"; }
  std::uint64_t own_misses() const override { return 0; }

 private:
  // A blocking receive then takes one system call, as it does in programs.
  void set_timeout(std::uint64_t timeout) {
    if (timeout == timeout_) return;
    timeout_ = timeout;
    const timeval time{static_cast<time_t>(timeout / 1'000'000'000),
                       static_cast<suseconds_t>(timeout % 1'000'000'000 / 1000)};
    if (::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) != 0)
      fail_by_errno("SO_RCVTIMEO");
  }

  int socket_;
  std::vector<std::byte> outgoing_;
  std::vector<std::byte> incoming_;
  std::uint64_t timeout_ = 0;
};

// Both sockets exist before the fork; each process uses its own.
class SocketLink final : public PortLink {
 public:
  SocketLink(int first, int second) : sockets_{first, second} {
    for (const int socket : sockets_) enlarge(socket);
  }
  ~SocketLink() override {
    for (const int socket : sockets_) ::close(socket);
  }

  std::unique_ptr<Port> open(const PortPlan& plan) override {
    return std::make_unique<SocketPort>(sockets_[plan.side], plan.longest);
  }

 private:
  // Beyond the system's limit where that is permitted.
  static void enlarge(int socket) {
    for (const auto& [forced, plain] :
         {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
      if (::setsockopt(socket, SOL_SOCKET, forced, &kSocketBuffer, sizeof kSocketBuffer) != 0)
        (void)::setsockopt(socket, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer);
    }
  }

  int sockets_[2];
};

int bound_udp_socket(sockaddr_in& address) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) fail_by_errno("socket");
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    fail_by_errno("bind");
  }
  return socket;
}

}  // namespace

std::unique_ptr<PortLink> make_udp_link() {
  sockaddr_in addresses[2];
  const int sockets[2] = {bound_udp_socket(addresses[0]), bound_udp_socket(addresses[1])};
  for (int side = 0; side < 2; ++side) {
    if (::connect(sockets[side], reinterpret_cast<sockaddr*>(&addresses[1 - side]),
                  sizeof addresses[0]) != 0) {
      fail_by_errno("connect");
    }
  }
  return std::make_unique<SocketLink>(sockets[0], sockets[1]);
}

std::unique_ptr<PortLink> make_unix_datagram_link() {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets) != 0)
    fail_by_errno("socketpair");
  return std::make_unique<SocketLink>(sockets[0], sockets[1]);
}

}  // namespace vmmc::bench
