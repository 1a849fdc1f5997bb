// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The messages about receive rings as they come out of a socket.

#include <doctest/doctest.h>
#include <fcntl.h>

#include <memory>
#include <span>
#include <string>

#include "nicsim/frames/testing/rings_fixture.h"
#include "nicsim/frames/testing/scripted_source.h"
#include "nicsim/testing/session_fixture.h"
#include "platform/shared_memory.h"

using namespace vmmc;
using nicsim::testing::descriptors_stuck;
using nicsim::testing::open_request;
using wire::FrameSourceKind;
using wire::MessageType;
using wire::Status;

namespace {

struct Client : nicsim::testing::SessionClient {
  using SessionClient::SessionClient;

  wire::OpenRingRequest opening(std::uint32_t id, FrameSourceKind source) {
    auto request = open_request(id, source);
    request.header = header(MessageType::kOpenRing);
    return request;
  }
  wire::JoinRingRequest joining(const Client& opener, std::uint32_t id) {
    return {header(MessageType::kJoinRing), opener.identity.node, opener.identity.process, id, 0};
  }
  Status close(std::uint32_t port) {
    return refused(wire::CloseRingRequest{header(MessageType::kCloseRing), port, 0});
  }
};

struct ServerFixture : nicsim::testing::SessionServer {
  nicsim::testing::Script script;
  std::unique_ptr<nicsim::FrameRings> rings;

  ServerFixture()
      : SessionServer([this](nicsim::Process& process) { rings->leave(process); }),
        rings(std::make_unique<nicsim::FrameRings>(
            context, server.machine(),
            [this](const wire::OpenRingRequest&, platform::FileDescriptor) {
              return std::make_unique<nicsim::testing::ScriptedSource>(script);
            })) {
    server.serve_rings(*rings);
    start();
  }
  ~ServerFixture() { stop(); }
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
