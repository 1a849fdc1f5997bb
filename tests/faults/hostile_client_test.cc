// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Whatever a client sends, nicsim goes on and serves the others.
#include <doctest/doctest.h>
#include <unistd.h>

#include <random>

#include "tests/faults/raw_client.h"
#include "tests/support/processes/nicsim_process.h"

using namespace vmmc;
using namespace vmmc::testing;
using wire::MessageType;
using wire::Status;

namespace {

void check_alive(const NicsimProcess& nicsim) { RawClient(nicsim.socket()).attach(); }

}  // namespace

TEST_CASE("another version is refused with nicsim's own version, and the connection ends") {
  NicsimProcess nicsim;
  RawClient client(nicsim.socket());
  wire::AttachRequest request{client.header(MessageType::kAttach), 0, 0, 0, 0, 0};
  request.header.version = wire::kVersion + 1;
  REQUIRE(client.send(request));
  const auto reply = client.receive_header();
  REQUIRE(reply.has_value());
  CHECK(reply->status == Status::kVersionMismatch);
  CHECK(reply->version == wire::kVersion);
  CHECK(client.hung_up());
  check_alive(nicsim);
}

TEST_CASE("requests before attach, and a second attach, are refused") {
  NicsimProcess nicsim;
  RawClient client(nicsim.socket());
  wire::UnexportRequest request{client.header(MessageType::kUnexport), 1, 0};
  REQUIRE(client.send(request));
  CHECK(client.receive_header()->status == Status::kMalformed);
  CHECK(client.hung_up());
  RawClient twice(nicsim.socket());
  twice.attach();
  wire::AttachRequest again{twice.header(MessageType::kAttach), 0, 0, 0, 0, 0};
  REQUIRE(twice.send(again));
  CHECK(twice.receive_header()->status == Status::kMalformed);
}

TEST_CASE("strangers and fragments are cut off") {
  NicsimProcess nicsim;
  RawClient stranger(nicsim.socket());
  const std::string text = "GET / HTTP/1.0\r\n\r\n";
  REQUIRE(stranger.send(std::as_bytes(std::span(text))));
  CHECK(stranger.hung_up());
  RawClient fragment(nicsim.socket());
  REQUIRE(fragment.send(std::as_bytes(std::span(text).first(7))));
  CHECK(fragment.hung_up());
  RawClient giant(nicsim.socket());
  const std::vector<std::byte> large(100'000);
  REQUIRE(giant.send(std::span(large)));
  CHECK(giant.hung_up());
  check_alive(nicsim);
}

TEST_CASE("descriptors where none belong, and segments that are no sealed memory") {
  NicsimProcess nicsim;
  RawClient client(nicsim.socket());
  client.attach();
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  wire::UnexportRequest request{client.header(MessageType::kUnexport), 1, 0};
  REQUIRE(client.send(request, pipes));
  CHECK(client.receive_header()->status == Status::kUnknownExport);
  wire::RegisterSegmentRequest segment{client.header(MessageType::kRegisterSegment), 4096};
  REQUIRE(client.send(segment, std::span(pipes).first(1)));
  CHECK(client.receive_header()->status == Status::kMalformed);
  REQUIRE(client.send(segment));
  CHECK(client.receive_header()->status == Status::kMalformed);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST_CASE("a client that never reads its replies is cut off and does not stop the others") {
  NicsimProcess nicsim;
  RawClient deaf(nicsim.socket());
  deaf.attach();
  wire::UnexportRequest request{deaf.header(MessageType::kUnexport), 1, 0};
  bool cut_off = false;
  for (int i = 0; i < 100'000 && !cut_off; ++i) cut_off = !deaf.send(request);
  CHECK(cut_off);
  check_alive(nicsim);
}

TEST_CASE("random messages") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  NicsimProcess nicsim;
  for (int round = 0; round < 300; ++round) {
    RawClient client(nicsim.socket());
    client.attach();
    for (int message = 0; message < 20; ++message) {
      std::vector<std::byte> bytes(16 + random() % 200);
      for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random() % 3 == 0 ? random() : random() % 4);
      }
      auto header = client.header(static_cast<MessageType>(random() % 10));
      std::memcpy(bytes.data(), &header, sizeof header);
      if (!client.send(std::span(bytes))) break;
    }
  }
  check_alive(nicsim);
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("random bytes in the channel, all over it and all the time") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  NicsimProcess nicsim;
  for (int round = 0; round < 20; ++round) {
    RawClient client(nicsim.socket());
    client.attach();
    auto* words = reinterpret_cast<std::uint64_t*>(&client.channel());
    for (int i = 0; i < 20'000; ++i) {
      words[random() % (wire::kChannelBytes / 8)] = random();
      // Now and then a slot that looks published.
      const std::uint64_t ticket = random() % 1000;
      client.channel().send_queue[ticket % wire::kSendSlots].header.store(wire::make_header(
          ticket, static_cast<wire::LocalPlace>(random() % 6),
          static_cast<wire::Operation>(random() % 6), static_cast<std::uint8_t>(random()),
          static_cast<std::uint8_t>(random())));
      if (i % 100 == 0) client.ring();
    }
  }
  check_alive(nicsim);
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("a descriptor that is published without the doorbell does not hold an unexport up") {
  NicsimProcess nicsim;
  RawClient exporter(nicsim.socket());
  exporter.attach();
  auto file = platform::create_shared_memory("test", 4096);
  REQUIRE(file.ok());
  const int fd = file.value().get();
  REQUIRE(exporter.send(
      wire::RegisterSegmentRequest{exporter.header(MessageType::kRegisterSegment), 4096},
      std::span(&fd, 1)));
  const auto bytes = exporter.receive();
  wire::RegisterSegmentReply registered;
  REQUIRE(bytes.size() == sizeof registered);
  std::memcpy(&registered, bytes.data(), sizeof registered);
  wire::ExportRequest request{};
  request.header = exporter.header(MessageType::kExport);
  request.access = wire::kAccessWrite;
  request.user = request.node = request.process = wire::kAnyNode;
  request.length = 64;
  request.extent_count = 1;
  request.extents[0] = {registered.segment, 0, 1, 0};
  REQUIRE(exporter.send(std::as_bytes(std::span(&request, 1))
                            .first(offsetof(wire::ExportRequest, extents) + sizeof(wire::Extent))));
  REQUIRE(exporter.receive_header()->status == Status::kOk);

  RawClient sender(nicsim.socket());
  sender.attach();
  REQUIRE(sender.send(
      wire::ImportRequest{sender.header(MessageType::kImport), 0, 0, 0, wire::kAccessWrite}));
  const auto granted_bytes = sender.receive();
  wire::ImportReply granted;
  REQUIRE(granted_bytes.size() == sizeof granted);
  std::memcpy(&granted, granted_bytes.data(), sizeof granted);
  wire::SendDescriptor& slot = sender.channel().send_queue[0];
  slot.import_slot = granted.import_slot;
  slot.import_generation = granted.import_generation;
  slot.destination = granted.destination;
  slot.header.store(
      wire::make_header(0, wire::LocalPlace::kInline, wire::Operation::kDeliberateUpdate, 0, 8));

  REQUIRE(exporter.send(wire::UnexportRequest{exporter.header(MessageType::kUnexport), 0, 0}));
  CHECK(exporter.receive_header()->status == Status::kOk);  // fails when nothing comes in 10 s
  CHECK(sender.channel().send_status.completed.load() == 1);
}

TEST_CASE("a connection that never attaches is closed") {
  NicsimProcess nicsim;
  RawClient silent(nicsim.socket());
  CHECK(silent.hung_up());
}
