// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The messages about receive rings as they come out of a socket.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "nicsim/control_server.h"
#include "nicsim/frames/testing/rings_fixture.h"
#include "nicsim/frames/testing/scripted_source.h"
#include "platform/shared_memory.h"
#include "platform/system_calls.h"
#include "platform/unix_socket.h"

using namespace vmmc;
using nicsim::testing::open_request;
using wire::FrameSourceKind;
using wire::MessageType;
using wire::Status;

namespace {

// Plays a system in which too many of nicsim's descriptors are on their way.
std::atomic<bool> descriptors_stuck{false};
thread_local bool is_nicsim = false;

platform::SystemCalls calls_that_can_stick() {
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

class Client {
 public:
  explicit Client(const std::string& name)
      : socket_(std::move(platform::connect_unix_socket(name).value())) {
    wire::AttachRequest request{header(MessageType::kAttach), 0, wire::kAnyProcess, 0, 0, 0};
    identity = ask<wire::AttachReply>(request);
    REQUIRE(identity.header.status == Status::kOk);
  }
  wire::MessageHeader header(MessageType type) {
    return {wire::kMagic, wire::kVersion, type, ++requests_, Status::kOk};
  }
  // The reply must have exactly the size of `Reply`; its descriptors are in `message`.
  template <typename Reply, typename Request>
  Reply ask(const Request& request, std::span<const int> descriptors = {}) {
    Reply reply{};
    reply.header = exchange(request, descriptors, &reply, sizeof reply);
    REQUIRE(message.bytes == sizeof reply);
    return reply;
  }
  // The status of the reply, of whatever size it is.
  template <typename Request>
  Status outcome(const Request& request) {
    return exchange(request, {}, nullptr, 0).status;
  }
  wire::OpenRingRequest opening(std::uint32_t id, FrameSourceKind source) {
    auto request = open_request(id, source);
    request.header = header(MessageType::kOpenRing);
    return request;
  }
  wire::JoinRingRequest joining(const Client& opener, std::uint32_t id) {
    return {header(MessageType::kJoinRing), opener.identity.node, opener.identity.process, id, 0};
  }
  Status close(std::uint32_t port) {
    return ask<wire::PlainReply>(wire::CloseRingRequest{header(MessageType::kCloseRing), port, 0})
        .header.status;
  }
  template <typename Request>
  Status refused(const Request& request, std::span<const int> descriptors = {}) {
    return ask<wire::PlainReply>(request, descriptors).header.status;
  }

  wire::AttachReply identity{};
  platform::ReceivedMessage message;  // the last one

 private:
  template <typename Request>
  wire::MessageHeader exchange(const Request& request, std::span<const int> descriptors,
                               void* reply, std::size_t bytes) {
    REQUIRE(
        platform::send_message(socket_.get(), std::as_bytes(std::span(&request, 1)), descriptors)
            .ok());
    std::array<std::byte, wire::kMaxMessageBytes> buffer{};
    auto received = platform::receive_message(socket_.get(), buffer);
    REQUIRE(received.ok());
    message = std::move(received.value());
    wire::MessageHeader header;
    std::memcpy(&header, buffer.data(), sizeof header);
    CHECK(header.request == requests_);
    if (bytes > 0) std::memcpy(reply, buffer.data(), bytes);
    return header;
  }

  platform::FileDescriptor socket_;
  std::uint32_t requests_ = 0;
};

// nicsim's control server in a thread of its own.
struct ServerFixture {
  const platform::SystemCalls calls = calls_that_can_stick();
  const std::string name = "@vmmc-session-rings-test-" + std::to_string(std::random_device{}());
  boost::asio::io_context context{1};
  nicsim::testing::Script script;
  std::unique_ptr<nicsim::FrameRings> rings;
  nicsim::ControlServer server{
      context,
      std::move(platform::listen_unix_socket(name).value()),
      2,
      false,
      {.attached = [](auto&) {},
       .doorbell = [](auto&) {},
       .leaving = [this](nicsim::Process& process) { rings->leave(process); },
       .last_left = [] {}}};
  std::thread thread;

  ServerFixture() {
    ::alarm(50);  // whatever waits for ever
    descriptors_stuck = false;
    platform::replace_system_calls(&calls);
    rings = std::make_unique<nicsim::FrameRings>(
        context, server.machine(), [this](const wire::OpenRingRequest&, platform::FileDescriptor) {
          return std::make_unique<nicsim::testing::ScriptedSource>(script);
        });
    server.serve_rings(*rings);
    thread = std::thread([this] {
      is_nicsim = true;
      context.run();
    });
  }
  ~ServerFixture() {
    context.stop();
    thread.join();
    rings.reset();
    platform::replace_system_calls(nullptr);
    ::alarm(0);
  }
};

}  // namespace

TEST_CASE_FIXTURE(ServerFixture, "a ring comes with its memory, its port and its pipe") {
  Client opener(name);
  Client joiner(name);
  const platform::FileDescriptor file = nicsim::testing::some_descriptor();
  const int fd = file.get();
  auto request = opener.opening(1, FrameSourceKind::kCaptureFile);
  request.sharing = wire::RingSharing::kMirrored;
  const auto opened = opener.ask<wire::RingReply>(request, {&fd, 1});
  CHECK(opened.header.status == Status::kOk);
  REQUIRE(opener.message.descriptor_count == 3);
  CHECK(platform::is_sealed_shared_memory(opener.message.descriptors[0].get(),
                                          opened.block_memory_bytes));
  CHECK((::fcntl(opener.message.descriptors[0].get(), F_GETFL) & O_ACCMODE) == O_RDONLY);
  CHECK(
      platform::is_sealed_shared_memory(opener.message.descriptors[1].get(), wire::kRingPortBytes));
  const auto joined = joiner.ask<wire::RingReply>(joiner.joining(opener, 1));
  CHECK(joined.header.status == Status::kOk);
  CHECK(joiner.message.descriptor_count == 3);
  CHECK(joiner.close(opened.port) == Status::kUnknownRing);
  CHECK(joiner.close(joined.port) == Status::kOk);
  CHECK(opener.close(opened.port) == Status::kOk);
  CHECK(joiner.refused(joiner.joining(opener, 1)) == Status::kUnknownRing);
}

TEST_CASE_FIXTURE(ServerFixture, "messages that make no sense are refused, and the client stays") {
  Client client(name);
  const std::array<int, 2> files{0, 0};
  const auto backplane = FrameSourceKind::kBackplane;
  CHECK(client.refused(client.opening(1, backplane), std::span(files).first(1)) ==
        Status::kMalformed);
  CHECK(client.refused(client.opening(1, FrameSourceKind::kInterface)) == Status::kMalformed);
  CHECK(client.refused(client.opening(1, FrameSourceKind::kInterface), files) ==
        Status::kMalformed);
  CHECK(client.refused(client.header(MessageType::kOpenRing)) == Status::kMalformed);
  CHECK(client.refused(client.header(MessageType::kJoinRing)) == Status::kMalformed);
  CHECK(client.refused(client.header(MessageType::kCloseRing)) == Status::kMalformed);
  CHECK(client.refused(client.joining(client, 1), std::span(files).first(1)) == Status::kMalformed);
  CHECK(client.ask<wire::RingReply>(client.opening(1, backplane)).header.status == Status::kOk);
}

TEST_CASE_FIXTURE(ServerFixture, "a ring whose descriptors cannot be sent is not open") {
  Client client(name);
  descriptors_stuck = true;
  CHECK(client.refused(client.opening(1, FrameSourceKind::kBackplane)) == Status::kOutOfMemory);
  descriptors_stuck = false;
  CHECK(client.ask<wire::RingReply>(client.opening(1, FrameSourceKind::kBackplane)).header.status ==
        Status::kOk);
}

TEST_CASE_FIXTURE(ServerFixture, "the rings of a process end with it") {
  Client stays(name);
  std::uint32_t process = 0;
  {
    Client client(name);
    process = client.identity.process;
    CHECK(
        client.ask<wire::RingReply>(client.opening(1, FrameSourceKind::kBackplane)).header.status ==
        Status::kOk);
  }
  Status status = Status::kOk;  // ends by the alarm if it does not
  while (status != Status::kUnknownRing) {
    wire::JoinRingRequest request{stays.header(MessageType::kJoinRing), 0, process, 1, 0};
    status = stays.outcome(request);  // one that still lives can be joined
  }
}
