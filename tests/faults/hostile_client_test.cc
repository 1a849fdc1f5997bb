// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Whatever a client sends, nicsim goes on and serves the others.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

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
  wire::RegisterSegmentRequest segment{client.header(MessageType::kRegisterSegment), 4096, 0, 0};
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
      auto header = client.header(static_cast<MessageType>(random() % 22));
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
  const auto memory = exporter.register_memory(1);
  exporter.export_pages(0, {memory.segment, 0, 1, 0}, 0);
  RawClient sender(nicsim.socket());
  sender.attach();
  const auto granted = sender.import(exporter, 0);
  sender.next_slot(granted, 0)
      .header.store(wire::make_header(0, wire::LocalPlace::kInline,
                                      wire::Operation::kDeliberateUpdate, 0, 8));
  REQUIRE(exporter.send(wire::UnexportRequest{exporter.header(MessageType::kUnexport), 0, 0}));
  CHECK(exporter.receive_header()->status == Status::kOk);  // fails when nothing comes in 30 s
  CHECK(sender.completed() == 1);
}

// Published when the unexport looks, and gone when its turn comes.
TEST_CASE("descriptors that come and go do not hold an unexport up") {
  NicsimProcess nicsim;
  RawClient exporter(nicsim.socket());
  exporter.attach();
  const auto memory = exporter.register_memory(1);
  RawClient sender(nicsim.socket());
  sender.attach();
  for (std::uint32_t id = 0; id < 200; ++id) {
    CAPTURE(id);
    exporter.export_pages(id, {memory.segment, 0, 1, 0}, 0);
    const auto granted = sender.import(exporter, id);
    std::jthread flickering([&](const std::stop_token& stop) {
      const std::uint64_t first = sender.completed();
      while (!stop.stop_requested()) {
        for (const bool there : {true, false}) {
          for (std::uint64_t ticket = first; ticket < first + wire::kSendSlots; ++ticket) {
            wire::SendDescriptor& slot = sender.channel().send_queue[ticket % wire::kSendSlots];
            slot.header = there ? wire::make_header(ticket, wire::LocalPlace::kInline,
                                                    wire::Operation::kDeliberateUpdate, 0, 8)
                                : 0;
          }
        }
      }
      for (wire::SendDescriptor& slot : sender.channel().send_queue) slot.header = 0;
    });
    CHECK(exporter
              .ask<wire::UnexportReply>(
                  wire::UnexportRequest{exporter.header(MessageType::kUnexport), id, 0})
              .header.status == Status::kOk);
    flickering.request_stop();
    flickering.join();
    const auto unimported = sender.ask<wire::PlainReply>(wire::UnimportRequest{
        sender.header(MessageType::kUnimport), granted.import_slot, granted.import_generation});
    CHECK(unimported.header.status == Status::kOk);
  }
}

// The doorbell's file description is the client's as well.
TEST_CASE("a doorbell that the client makes blocking, and reads itself") {
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  RawClient client(nicsim.socket());
  client.attach();
  const int flags = ::fcntl(client.doorbell(), F_GETFL);
  REQUIRE(::fcntl(client.doorbell(), F_SETFL, flags & ~O_NONBLOCK) == 0);
  int won = 0;
  for (int i = 0; i < 20'000; ++i) {
    client.ring();
    std::uint64_t rings = 0;
    const iovec there{&rings, sizeof rings};
    for (int spin = 0; spin < i % 50; ++spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    if (::preadv2(client.doorbell(), &there, 1, -1, RWF_NOWAIT) == sizeof rings) ++won;
    if (i % 100 == 0) pair.round();
  }
  pair.round();
  CHECK(won > 0);  // or this proves nothing
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("random bytes in the notification demand, of one who is notified all the time") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  RawClient liar(nicsim.socket());
  liar.attach();
  const auto memory = liar.register_memory(1);
  liar.export_pages(1, {memory.segment, 0, 1, 0}, wire::kExportNotifies);
  RawClient accomplice(nicsim.socket());
  accomplice.attach();
  const auto import = accomplice.import(liar, 1);
  std::jthread lying([&](const std::stop_token& stop) {
    std::mt19937_64 random(seed);
    wire::NotificationDemand& demand = liar.channel().notification_demand;
    const auto& produced = liar.channel().notification_status.produced;
    while (!stop.stop_requested()) {
      demand.consumed = random() % 2 == 0 ? random() : produced.load() + random() % 5 - 2;
      demand.client_waits = static_cast<std::uint32_t>(random());
      demand.nic_waits = static_cast<std::uint32_t>(random() % 3);
      const std::uint64_t one = 1;
      if (random() % 16 == 0) (void)!::write(liar.doorbell(), &one, sizeof one);
    }
  });
  std::uint64_t tried = 0;
  while (pair.rounds() < 3000) {
    pair.round();
    while (tried - accomplice.completed() < wire::kSendSlots) {
      tried = 1 + accomplice.publish(accomplice.next_slot(import, 0), wire::LocalPlace::kInline,
                                     wire::Operation::kDeliberateUpdate, wire::kNotify, 8);
    }
  }
  lying.request_stop();
  lying.join();
  CHECK(liar.channel().counters.notifications_received.load() > 0);
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("random operations of every kind reach nothing but the buffer that was imported") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  // Of the good receiver, but another buffer: the middle of three pages.
  const auto memory = pair.receiver().register_memory(3);
  pair.receiver().export_pages(5, {memory.segment, 1, 1, 0}, wire::kExportRedirectable);
  RawClient client(nicsim.socket());
  client.attach();
  const auto own = client.register_memory(4);
  const auto import = client.import(pair.receiver(), 5);
  std::vector<std::byte> ordinary(8192);
  for (int i = 0; i < 60'000; ++i) {
    wire::SendDescriptor& slot =
        client.next_slot(import, random() % 8 == 0 ? random() : random() % 12'000 - 4000);
    if (random() % 16 == 0) slot.import_slot = static_cast<std::uint32_t>(random() % 4);
    if (random() % 16 == 0) slot.import_generation = static_cast<std::uint32_t>(random());
    slot.local = {random() % 8 == 0 ? random() : random() % 3000,
                  random() % 20'000,
                  random() % 4 == 0 ? static_cast<std::uint32_t>(random()) : own.segment,
                  0,
                  random() % 2 == 0 ? random() : random() % 6000,
                  0,
                  static_cast<std::uint32_t>(random())};
    auto place = static_cast<wire::LocalPlace>(random() % 6);
    const auto operation = static_cast<wire::Operation>(random() % 6);
    if (place == wire::LocalPlace::kMemory) {
      slot.local.address = reinterpret_cast<std::uint64_t>(ordinary.data()) + random() % 4000;
      slot.local.length %= 4096;  // or a fetch would write the test's own memory
    } else if (operation == wire::Operation::kAtomic && random() % 2 == 0) {
      // So that a good share can be carried out.
      place = wire::LocalPlace::kInline;
      slot.destination -= slot.destination % 8;
      slot.atomic = {static_cast<wire::AtomicKind>(random() % 5),
                     static_cast<std::uint32_t>(random() % 10),
                     random(),
                     random(),
                     {}};
    }
    const auto flags = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : random() % 2);
    client.publish(slot, place, operation, flags, static_cast<std::uint8_t>(random() % 50));
    if (i % 50 == 0) pair.round();
  }
  RawClient::await([&] { return client.completed() == 60'000; });
  const auto& counters = client.channel().counters;
  for (const auto* done : {&counters.transfers_sent, &counters.automatic_updates, &counters.fetches,
                           &counters.atomics, &counters.transfers_refused}) {
    CHECK(done->load() > 0);
  }
  for (std::size_t i = 0; i < 3 * wire::kPageSize; ++i) {
    if (i / wire::kPageSize != 1) REQUIRE(memory.mapping.data()[i] == std::byte{0});
  }
  CHECK(nicsim.terminate() == 0);
}

TEST_CASE("every request in every size but its own is refused, and the good pair goes on") {
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  RawClient client(nicsim.socket());
  client.attach();
  struct Expected {
    MessageType type;
    std::size_t bytes;  // without extents
    Status status;      // of one that is empty
  };
  const Expected requests[] = {
      {MessageType::kReleaseSegment, sizeof(wire::ReleaseSegmentRequest), Status::kMalformed},
      {MessageType::kRegisterSegment, sizeof(wire::RegisterSegmentRequest), Status::kMalformed},
      {MessageType::kAttach, sizeof(wire::AttachRequest), Status::kMalformed},
      {MessageType::kExport, offsetof(wire::ExportRequest, extents), Status::kInvalidRights},
      {MessageType::kUnexport, sizeof(wire::UnexportRequest), Status::kUnknownExport},
      {MessageType::kImport, sizeof(wire::ImportRequest), Status::kInvalidRights},
      {MessageType::kCancelImport, sizeof(wire::CancelImportRequest), Status::kUnknownImport},
      {MessageType::kUnimport, sizeof(wire::UnimportRequest), Status::kUnknownImport},
      {MessageType::kAcceptNotifications, sizeof(wire::AcceptNotificationsRequest),
       Status::kUnknownExport},
      {MessageType::kListImporters, sizeof(wire::ListImportersRequest), Status::kUnknownExport},
      {MessageType::kRedirect, offsetof(wire::RedirectRequest, extents), Status::kUnknownExport},
      {MessageType::kEndRedirection, sizeof(wire::EndRedirectionRequest), Status::kUnknownExport},
      {MessageType::kReadCounters, sizeof(wire::PlainReply), Status::kOk},
      {MessageType::kWatch, sizeof(wire::WatchRequest), Status::kOk},
      {static_cast<MessageType>(0), 0, Status::kMalformed},
      {static_cast<MessageType>(15), 0, Status::kMalformed},
      {static_cast<MessageType>(0xffff), 0, Status::kMalformed},
  };
  for (const Expected& expected : requests) {
    CAPTURE(static_cast<int>(expected.type));
    for (std::size_t bytes = sizeof(wire::MessageHeader); bytes <= wire::kMaxMessageBytes;
         bytes += bytes < 120 ? 1 : 61) {
      CAPTURE(bytes);
      std::vector<std::byte> message(bytes);
      const auto header = client.header(expected.type);
      std::memcpy(message.data(), &header, sizeof header);
      REQUIRE(client.send(std::span(message)));
      const auto reply = client.receive_header();
      REQUIRE(reply.has_value());
      REQUIRE(reply->request == header.request);
      REQUIRE(reply->type == expected.type);
      REQUIRE(reply->status == (bytes == expected.bytes ? expected.status : Status::kMalformed));
    }
    pair.round();
  }
}

TEST_CASE("requests about buffers with nonsense in their fields") {
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  RawClient client(nicsim.socket());
  client.attach();
  const auto memory = client.register_memory(4);
  client.export_pages(1, {memory.segment, 0, 2, 0}, wire::kExportRedirectable);
  const auto redirected = [&](auto change, std::size_t extents_sent) {
    wire::RedirectRequest request{};
    request.header = client.header(MessageType::kRedirect);
    request.buffer_id = 1;
    request.length = 4096;
    request.extent_count = 1;
    request.extents[0] = {memory.segment, 2, 1, 0};
    change(request);
    const auto bytes = std::as_bytes(std::span(&request, 1));
    REQUIRE(client.send(bytes.first(offsetof(wire::RedirectRequest, extents) +
                                    extents_sent * sizeof(wire::Extent))));
    pair.round();
    return client.receive_header()->status;
  };
  for (const std::uint32_t count : {0u, 2u, 64u, 65u, 0x10000001u, 0x80000000u, 0xffffffffu}) {
    CAPTURE(count);
    CHECK(redirected([&](auto& r) { r.extent_count = count; }, 1) == Status::kMalformed);
  }
  CHECK(redirected([](auto& r) { r.extent_count = 64; }, 64) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.extents[0].first_page = 4; }, 1) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.extents[0].first_page = UINT32_MAX; }, 1) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.extents[0].pages = UINT32_MAX; }, 1) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.extents[0].segment = UINT32_MAX; }, 1) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.length = UINT64_MAX; }, 1) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.offset = UINT64_MAX; }, 1) == Status::kOutsideProxy);
  CHECK(redirected([](auto& r) { r.page_offset = UINT32_MAX; }, 1) == Status::kMalformed);
  CHECK(redirected([](auto& r) { r.buffer_id = 77; }, 1) == Status::kUnknownExport);  // not its own
  CHECK(redirected([](auto&) {}, 1) == Status::kOk);

  auto exported = client.export_request(2, {memory.segment, 3, 1, 0}, 0);
  exported.flags = 4;
  CHECK(client.ask_with_extents<wire::PlainReply>(exported).header.status == Status::kMalformed);
  const auto accepted = [&](std::uint32_t id, std::uint32_t scope, std::uint32_t accept) {
    return client
        .ask<wire::PlainReply>(wire::AcceptNotificationsRequest{
            client.header(MessageType::kAcceptNotifications), id, scope, accept, 0})
        .header.status;
  };
  CHECK(accepted(77, 0, 0) == Status::kUnknownExport);
  CHECK(accepted(1, UINT32_MAX, 0) == Status::kMalformed);
  CHECK(accepted(1, 0, UINT32_MAX) == Status::kMalformed);
  const auto listed = client.ask<wire::ListImportersReply>(
      wire::ListImportersRequest{client.header(MessageType::kListImporters), 1, UINT32_MAX});
  CHECK(listed.header.status == Status::kOk);
  CHECK(listed.listed == 0);
  const auto ended = client.ask<wire::RedirectionReply>(
      wire::EndRedirectionRequest{client.header(MessageType::kEndRedirection), 1, 0, UINT64_MAX});
  CHECK(ended.header.status == Status::kUnknownRedirection);
  pair.round();
}

TEST_CASE("a connection that never attaches is closed") {
  NicsimProcess nicsim;
  RawClient silent(nicsim.socket());
  CHECK(silent.hung_up());
}
