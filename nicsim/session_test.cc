// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The messages about lent memory as they come out of a socket: their sizes, and their descriptors.

#include "nicsim/session.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <span>
#include <string>
#include <utility>

#include "nicsim/testing/session_fixture.h"
#include "platform/shared_memory.h"

using namespace vmmc;
using nicsim::testing::descriptors_stuck;
using wire::ExecutorDemand;
using wire::MessageType;
using wire::Status;

namespace {

ino_t file_of(int descriptor) {
  struct stat status {};
  REQUIRE(::fstat(descriptor, &status) == 0);
  return status.st_ino;
}

struct Client : nicsim::testing::SessionClient {
  explicit Client(const std::string& name) : SessionClient(name) {
    channel_ = std::move(
        platform::SharedMapping::map(message.descriptors[0].get(), wire::kChannelBytes).value());
  }

  // Exports a new lendable segment; its descriptor.
  platform::FileDescriptor export_lendable(std::uint32_t id) {
    constexpr std::uint64_t kBytes = 2 * wire::kPageSize;
    auto file = std::move(platform::create_shared_memory("lendable", kBytes).value());
    const int fd = file.get();
    const auto registered = ask<wire::RegisterSegmentReply>(
        wire::RegisterSegmentRequest{header(MessageType::kRegisterSegment), kBytes, 1, 0},
        std::span(&fd, 1));
    REQUIRE(registered.header.status == Status::kOk);
    wire::ExportRequest request{};
    request.header = header(MessageType::kExport);
    request.buffer_id = id;
    request.access = wire::kAccessRead | wire::kAccessWrite;
    request.user = request.node = request.process = wire::kAnyNode;
    request.length = wire::kPageSize;
    request.extent_count = 1;
    request.extents[0] = {registered.segment, 0, 1, 0};
    send(std::as_bytes(std::span(&request, 1))
             .first(offsetof(wire::ExportRequest, extents) + sizeof(wire::Extent)));
    REQUIRE(receive<wire::PlainReply>().header.status == Status::kOk);
    return file;
  }
  wire::ImportRequest import_request(const Client& exporter, std::uint32_t id,
                                     ExecutorDemand executor) {
    return {header(MessageType::kImport),
            exporter.identity.node,
            exporter.identity.process,
            id,
            wire::kAccessWrite,
            executor,
            0,
            wire::kNoEnd};
  }
  wire::Channel& channel() { return *reinterpret_cast<wire::Channel*>(channel_.data()); }
  wire::ImportPhase phase(const wire::ImportReply& import) {
    return wire::import_phase(channel().import_states[import.import_slot].load());
  }

 private:
  platform::SharedMapping channel_;
};

struct ServerFixture : nicsim::testing::SessionServer {
  ServerFixture() { start(); }
};

struct LentFixture : ServerFixture {
  Client exporter{name};
  Client importer{name};
};

}  // namespace

TEST_CASE_FIXTURE(LentFixture, "the memory of a buffer comes with the reply, and with no other") {
  const auto memory = exporter.export_lendable(1);
  CHECK(exporter.message.descriptor_count == 0);
  const auto lent =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kAny));
  CHECK(lent.header.status == Status::kOk);
  CHECK(lent.header.version == wire::kVersion);
  CHECK(lent.executor == ExecutorDemand::kHost);
  REQUIRE(importer.message.descriptor_count == 1);
  CHECK(file_of(importer.message.descriptors[0].get()) == file_of(memory.get()));
  CHECK(importer.phase(lent) == wire::ImportPhase::kGrantedToHost);
  const auto by_nic =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kNic));
  CHECK(by_nic.executor == ExecutorDemand::kNic);
  CHECK(importer.message.descriptor_count == 0);
  const auto unexported = exporter.ask<wire::UnexportReply>(
      wire::UnexportRequest{exporter.header(MessageType::kUnexport), 1, 0});
  CHECK(unexported.header.status == Status::kOk);
  CHECK(unexported.lent == 1);
  CHECK(importer.phase(lent) == wire::ImportPhase::kUnexported);
}

TEST_CASE_FIXTURE(LentFixture, "the memory of a buffer comes with a late reply, too") {
  const auto request = importer.import_request(exporter, 1, ExecutorDemand::kHost);
  importer.send(std::as_bytes(std::span(&request, 1)));
  // Once this is answered, nicsim has seen the import.
  const auto other =
      importer.ask<wire::PlainReply>(wire::PlainReply{importer.header(MessageType::kReadCounters)});
  CHECK(other.header.status == Status::kOk);
  const auto memory = exporter.export_lendable(1);
  const auto lent = importer.receive<wire::ImportReply>();
  CHECK(lent.header.request == request.header.request);
  REQUIRE(importer.message.descriptor_count == 1);
  CHECK(file_of(importer.message.descriptors[0].get()) == file_of(memory.get()));
}

TEST_CASE_FIXTURE(LentFixture, "counters are brought up to date, and watches kept, by message") {
  const auto memory = exporter.export_lendable(1);
  const auto lent =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kHost));
  REQUIRE(lent.header.status == Status::kOk);
  importer.channel().host_counts[lent.import_slot].transfers.store(2);
  importer.channel().host_counts[lent.import_slot].bytes_beyond_words.store(4);
  const auto counted =
      exporter.ask<wire::PlainReply>(wire::PlainReply{exporter.header(MessageType::kReadCounters)});
  CHECK(counted.header.status == Status::kOk);
  CHECK(counted.header.type == MessageType::kReadCounters);
  CHECK(exporter.channel().counters.transfers_received.load() == 2);
  CHECK(importer.channel().counters.bytes_sent.load() == 20);
  {
    Client watcher{name};
    const auto watched = watcher.ask<wire::PlainReply>(
        wire::WatchRequest{watcher.header(MessageType::kWatch), 1, 0});
    CHECK(watched.header.status == Status::kOk);
    CHECK(importer.phase(lent) == wire::ImportPhase::kGranted);
  }
  // Its connection has ended, and with it the watch.
  while (importer.phase(lent) != wire::ImportPhase::kGrantedToHost) std::this_thread::yield();
}

TEST_CASE_FIXTURE(LentFixture,
                  "requests that make no sense are refused, and the connection stays") {
  const auto memory = exporter.export_lendable(1);
  const auto lent =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kHost));
  const auto refused = [&](MessageType type, std::uint32_t word, std::size_t bytes) {
    struct {
      wire::MessageHeader header;
      std::uint32_t words[6];
    } request{exporter.header(type), {word}};
    REQUIRE(bytes <= sizeof request);
    exporter.send(std::as_bytes(std::span(&request, 1)).first(bytes));
    return exporter.receive<wire::PlainReply>().header.status == Status::kMalformed;
  };
  CHECK(refused(MessageType::kReadCounters, 0, 20));
  CHECK(refused(MessageType::kReadCounters, 0, 24));
  CHECK(refused(MessageType::kWatch, 2, sizeof(wire::WatchRequest)));
  CHECK(refused(MessageType::kWatch, 1, sizeof(wire::MessageHeader)));
  CHECK(refused(MessageType::kWatch, 1, sizeof(wire::WatchRequest) - 4));
  CHECK(refused(MessageType::kWatch, 1, sizeof(wire::WatchRequest) + 4));
  CHECK(refused(MessageType::kRegisterSegment, 4096, 24));  // as it was before version 3
  CHECK(refused(MessageType::kRegisterSegment, 4096, sizeof(wire::RegisterSegmentRequest)));
  CHECK(refused(MessageType::kImport, 0, 32));
  CHECK(refused(static_cast<MessageType>(21), 0, 16));
  CHECK(importer.phase(lent) == wire::ImportPhase::kGrantedToHost);
  CHECK(
      exporter.ask<wire::PlainReply>(wire::PlainReply{exporter.header(MessageType::kReadCounters)})
          .header.status == Status::kOk);
}

TEST_CASE_FIXTURE(LentFixture, "a descriptor that cannot be passed costs nobody the connection") {
  const auto memory = exporter.export_lendable(1);
  descriptors_stuck = true;
  const auto granted =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kAny));
  CHECK(granted.header.status == Status::kOk);
  CHECK(granted.executor == ExecutorDemand::kNic);
  CHECK(importer.message.descriptor_count == 0);
  CHECK(importer.phase(granted) == wire::ImportPhase::kGranted);
  const auto refused =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kHost));
  CHECK(refused.header.status == Status::kExecutorUnavailable);
  const auto other = importer.import_request(exporter, 2, ExecutorDemand::kAny);
  importer.send(std::as_bytes(std::span(&other, 1)));
  importer.ask<wire::PlainReply>(wire::PlainReply{importer.header(MessageType::kReadCounters)});
  const auto second = exporter.export_lendable(2);
  CHECK(importer.receive<wire::ImportReply>().executor == ExecutorDemand::kNic);

  descriptors_stuck = false;
  const auto lent =
      importer.ask<wire::ImportReply>(importer.import_request(exporter, 1, ExecutorDemand::kHost));
  CHECK(lent.header.status == Status::kOk);
  CHECK(lent.import_slot == 2);  // the refused one gave its slot back, and the third import took it
  CHECK(importer.message.descriptor_count == 1);
  // The end of a watch opens what was lent, and nothing else.
  for (const std::uint32_t on : {1, 0}) {
    importer.ask<wire::PlainReply>(wire::WatchRequest{importer.header(MessageType::kWatch), on, 0});
  }
  CHECK(importer.phase(lent) == wire::ImportPhase::kGrantedToHost);
  CHECK(importer.phase(granted) == wire::ImportPhase::kGranted);
}

TEST_CASE_FIXTURE(LentFixture, "real-time channels: replies, their descriptors, and refusals") {
  wire::OpenChannelRequest open{};
  open.header = exporter.header(MessageType::kOpenChannel);
  open.channel = 4;
  open.messages = 10;
  open.period = 10'000'000;
  open.deadline = 1'000'000;
  open.longest = 100;
  open.depth = 2;
  open.user = open.from_node = open.from_process = wire::kAnyNode;
  wire::ConnectChannelRequest connect{importer.header(MessageType::kConnectChannel),
                                      exporter.identity.node, exporter.identity.process, 4, 0};
  CHECK(importer.ask<wire::ChannelReply>(connect).header.status == Status::kUnknownChannel);
  const auto opened = exporter.ask<wire::ChannelReply>(open);
  CHECK(opened.header.status == Status::kOk);
  CHECK(opened.header.request == open.header.request);
  CHECK(exporter.message.descriptor_count == 5);
  CHECK(exporter.ask<wire::ChannelReply>(open).header.status == Status::kDuplicateId);
  CHECK(exporter.message.descriptor_count == 0);
  open.channel = 5;
  open.deadline = 1;
  const auto refused = exporter.ask<wire::ChannelReply>(open);
  CHECK(refused.header.status == Status::kDeadlineTooShort);
  CHECK(refused.available == 1);
  CHECK(refused.needed > 1);
  const auto connected = importer.ask<wire::ChannelReply>(connect);
  CHECK(connected.header.status == Status::kOk);
  CHECK(importer.message.descriptor_count == 5);
  CHECK(importer.ask<wire::ChannelReply>(connect).header.status == Status::kChannelTaken);
  wire::CloseChannelRequest close{importer.header(MessageType::kCloseChannel), connected.handle, 0};
  CHECK(importer.ask<wire::PlainReply>(close).header.status == Status::kOk);
  CHECK(importer.ask<wire::PlainReply>(close).header.status == Status::kUnknownChannel);
  const wire::PlainReply cut_off{importer.header(MessageType::kOpenChannel)};
  CHECK(importer.ask<wire::PlainReply>(cut_off).header.status == Status::kMalformed);
}
