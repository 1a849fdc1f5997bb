// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: nicsim's control server in a thread of its own, and clients that speak with it by messages
// through a socket.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "nicsim/control_server.h"
#include "platform/system_calls.h"
#include "platform/unix_socket.h"

namespace vmmc::nicsim::testing {

// Plays a system in which too many of nicsim's descriptors are on their way.
inline std::atomic<bool> descriptors_stuck{false};
inline thread_local bool is_nicsim = false;

inline platform::SystemCalls calls_that_can_stick() {
  platform::SystemCalls calls = platform::real_system_calls();
  calls.sendmsg = [](int fd, const msghdr* message, int flags) {
    if (is_nicsim && descriptors_stuck && message->msg_controllen > 0) {
      errno = ETOOMANYREFS;
      return ssize_t{-1};
    }
    return platform::real_system_calls().sendmsg(fd, message, flags);
  };
  return calls;
}

// Attached when it has been made.
class SessionClient {
 public:
  explicit SessionClient(const std::string& name)
      : socket_(std::move(platform::connect_unix_socket(name).value())) {
    wire::AttachRequest request{header(wire::MessageType::kAttach), 0, wire::kAnyProcess, 0, 0, 0};
    identity = ask<wire::AttachReply>(request);
    REQUIRE(identity.header.status == wire::Status::kOk);
  }

  wire::MessageHeader header(wire::MessageType type) {
    return {wire::kMagic, wire::kVersion, type, ++requests_, wire::Status::kOk};
  }
  void send(std::span<const std::byte> bytes, std::span<const int> descriptors = {}) {
    REQUIRE(platform::send_message(socket_.get(), bytes, descriptors).ok());
  }
  // The reply must have exactly the size of `Reply`; its descriptors are in `message`.
  template <typename Reply>
  Reply receive() {
    Reply reply{};
    receive(&reply, sizeof reply);
    REQUIRE(message.bytes == sizeof reply);
    return reply;
  }
  template <typename Reply, typename Request>
  Reply ask(const Request& request, std::span<const int> descriptors = {}) {
    send(std::as_bytes(std::span(&request, 1)), descriptors);
    return receive<Reply>();
  }
  template <typename Request>
  wire::Status refused(const Request& request, std::span<const int> descriptors = {}) {
    return ask<wire::PlainReply>(request, descriptors).header.status;
  }
  // The status of the reply, of whatever size it is.
  template <typename Request>
  wire::Status outcome(const Request& request) {
    send(std::as_bytes(std::span(&request, 1)));
    wire::MessageHeader header{};
    receive(&header, sizeof header);
    return header.status;
  }

  wire::AttachReply identity{};
  platform::ReceivedMessage message;  // the last one

 private:
  // So many bytes of the next message, which may be no answer.
  void receive(void* reply, std::size_t bytes) {
    std::array<std::byte, wire::kMaxMessageBytes> buffer{};
    auto received = platform::receive_message(socket_.get(), buffer);
    REQUIRE(received.ok());
    message = std::move(received.value());
    std::memcpy(reply, buffer.data(), bytes);
  }

  platform::FileDescriptor socket_;
  std::uint32_t requests_ = 0;
};

// Two nodes. It serves from start() to stop(), which the destructor calls, too.
struct SessionServer {
  const platform::SystemCalls calls = calls_that_can_stick();
  const std::string name = "@vmmc-session-test-" + std::to_string(std::random_device{}());
  boost::asio::io_context context{1};
  ControlServer server;
  std::thread thread;

  explicit SessionServer(std::function<void(Process&)> leaving = [](auto&) {})
      : server(context, std::move(platform::listen_unix_socket(name).value()), 2, false,
               {.attached = [](auto&) {},
                .doorbell = [](auto&) {},
                .leaving = std::move(leaving),
                .last_left = [] {}}) {
    ::alarm(50);  // whatever waits for ever
    descriptors_stuck = false;
    platform::replace_system_calls(&calls);
  }
  ~SessionServer() {
    stop();
    platform::replace_system_calls(nullptr);
    ::alarm(0);
  }
  void start() {
    thread = std::thread([this] {
      is_nicsim = true;
      context.run();
    });
  }
  void stop() {
    context.stop();
    if (thread.joinable()) thread.join();
  }
};

}  // namespace vmmc::nicsim::testing
