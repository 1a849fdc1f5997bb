// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Observers: who may be one, that they are no clients, and that whatever they send, nicsim goes on.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <string>

#include "nicsim/wire/trace_record.h"
#include "tests/faults/raw_client.h"
#include "tests/support/processes/nicsim_process.h"

using namespace vmmc;
using namespace vmmc::testing;
using wire::MessageType;
using wire::Status;

namespace {

// The document that comes; empty if the verdict is another one.
std::string snapshot(RawClient& observer) {
  REQUIRE(observer.send(wire::PlainReply{observer.header(MessageType::kSnapshot)}));
  const auto message = observer.receive();
  wire::SnapshotReply reply{};
  if (message.size() != sizeof reply) return {};
  std::memcpy(&reply, message.data(), sizeof reply);
  REQUIRE(reply.header.status == Status::kOk);
  const platform::FileDescriptor file = observer.take_descriptor();
  std::string text(reply.bytes + 1, '\0');
  REQUIRE(::pread(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(reply.bytes));
  text.pop_back();
  // Nobody can change it.
  CHECK(::pwrite(file.get(), "x", 1, 0) < 0);
  CHECK(::ftruncate(file.get(), 0) != 0);
  return text;
}

bool shows(const std::string& document, const std::string& part) {
  return document.find(part) != std::string::npos;
}

Status ask(RawClient& observer, MessageType type) {
  REQUIRE(observer.send(wire::PlainReply{observer.header(type)}));
  return observer.receive_header()->status;
}

Status start_trace(RawClient& observer, std::uint64_t records) {
  return observer
      .ask<wire::PlainReply>(
          wire::StartTraceRequest{observer.header(MessageType::kStartTrace), records})
      .header.status;
}

bool can_become_another_user() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::setresuid(65534, 65534, 65534) == 0 ? 0 : 1);
  int status = 1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

TEST_CASE("an observer asks again and again, and sees who is there") {
  NicsimProcess nicsim;
  RawClient observer(nicsim.socket());
  CHECK(shows(snapshot(observer), "\"processes\":[]"));
  CHECK(shows(snapshot(observer), "\"observers\":1"));
  RawClient client(nicsim.socket());
  client.attach(17);
  CHECK(shows(snapshot(observer), "\"process\":17,\"pid\":" + std::to_string(::getpid())));
  RawClient second(nicsim.socket());
  CHECK(shows(snapshot(second), "\"observers\":2"));
}

TEST_CASE("an observer is no client, and outlives the patience with connections that do nothing") {
  NicsimProcess nicsim;
  RawClient observer(nicsim.socket());
  snapshot(observer);
  wire::AttachRequest attach{
      observer.header(MessageType::kAttach), wire::kAnyNode, wire::kAnyProcess, 0, 0, 0};
  CHECK(observer.ask<wire::PlainReply>(attach).header.status == Status::kMalformed);
  ::sleep(6);
  CHECK(shows(snapshot(observer), "\"observers\":1"));
  RawClient client(nicsim.socket());
  client.attach();
  CHECK(ask(client, MessageType::kSnapshot) == Status::kMalformed);
}

TEST_CASE("nicsim leaves with its last client, whoever looks") {
  NicsimProcess nicsim({"--leave-with-last-client"});
  RawClient early(nicsim.socket());
  snapshot(early);
  {
    RawClient client(nicsim.socket());
    client.attach();
    RawClient late(nicsim.socket());
    snapshot(late);
    snapshot(early);
  }
  CHECK(nicsim.wait() == 0);
  CHECK(early.hung_up());
}

TEST_CASE("an observer does not keep a nicsim that waits for its first client") {
  NicsimProcess nicsim({"--leave-with-last-client"});
  RawClient observer(nicsim.socket());
  snapshot(observer);
  CHECK(nicsim.wait() == 0);
}

TEST_CASE("only nicsim's own user and root may look, whatever --users says") {
  if (!can_become_another_user()) {
    MESSAGE("cannot become another user here; not tested");
    return;
  }
  NicsimProcess nicsim({"--users", "any"});
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
    for (int type = static_cast<int>(MessageType::kSnapshot);
         type <= static_cast<int>(MessageType::kReadTrace); ++type) {
      RawClient observer(nicsim.socket());
      if (ask(observer, static_cast<MessageType>(type)) != Status::kUserNotAllowed) ::_exit(8);
      if (!observer.hung_up()) ::_exit(7);
    }
    RawClient(nicsim.socket()).attach();
    ::_exit(0);
  }
  int status = 1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("the trace: started once, read while it is on and when it is off, stopped once") {
  NicsimProcess nicsim;
  RawClient observer(nicsim.socket());
  CHECK(ask(observer, MessageType::kReadTrace) == Status::kTraceIsOff);
  CHECK(ask(observer, MessageType::kStopTrace) == Status::kTraceIsOff);
  CHECK(start_trace(observer, UINT64_MAX) == Status::kMalformed);
  CHECK(start_trace(observer, 5000) == Status::kOk);
  RawClient second(nicsim.socket());
  CHECK(start_trace(second, 0) == Status::kTraceIsOn);
  CHECK(shows(snapshot(observer), "\"trace\":{\"on\":true,\"capacity\":8192"));
  for (const bool on : {true, false}) {
    CAPTURE(on);
    const auto reply =
        second.ask<wire::ReadTraceReply>(wire::PlainReply{second.header(MessageType::kReadTrace)});
    CHECK(reply.header.status == Status::kOk);
    CHECK(reply.bytes == wire::kTraceHeaderBytes + 8192 * sizeof(wire::TraceRecord));
    const platform::FileDescriptor ring = second.take_descriptor();
    wire::TraceHeader header{};
    REQUIRE(::pread(ring.get(), &header, sizeof header, 0) == sizeof header);
    CHECK(header.magic == wire::kTraceMagic);
    CHECK(header.capacity == 8192);
    CHECK(::pwrite(ring.get(), "x", 1, 0) < 0);
    CHECK(::mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, ring.get(), 0) == MAP_FAILED);
    CHECK(ask(observer, MessageType::kStopTrace) == (on ? Status::kOk : Status::kTraceIsOff));
  }
}

TEST_CASE("requests that make no sense are refused, and the observer may go on") {
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  RawClient observer(nicsim.socket());
  snapshot(observer);
  const auto refused = [&](MessageType type, std::size_t bytes) {
    std::vector<std::byte> message(bytes);
    const auto header = observer.header(type);
    std::memcpy(message.data(), &header, sizeof header);
    return observer.ask_bytes<wire::PlainReply>(message).header.status == Status::kMalformed;
  };
  CHECK(refused(MessageType::kSnapshot, 20));
  CHECK(refused(MessageType::kSnapshot, wire::kMaxMessageBytes));
  CHECK(refused(MessageType::kStartTrace, 16));
  CHECK(refused(MessageType::kStartTrace, 32));
  CHECK(refused(MessageType::kStopTrace, 24));
  CHECK(refused(MessageType::kReadTrace, 24));
  CHECK(refused(MessageType::kExport, 16));
  CHECK(refused(MessageType::kReadCounters, 16));
  CHECK(refused(static_cast<MessageType>(21), 16));
  CHECK(refused(static_cast<MessageType>(0xffff), 16));
  CHECK_FALSE(snapshot(observer).empty());
  pair.round();
}

TEST_CASE("a first message that is none of an observer's, but nearly, closes the connection") {
  NicsimProcess nicsim;
  RawClient giant(nicsim.socket());
  std::vector<std::byte> message(wire::kMaxMessageBytes + 1);
  const auto header = giant.header(MessageType::kSnapshot);
  std::memcpy(message.data(), &header, sizeof header);
  REQUIRE(giant.send(std::span<const std::byte>(message)));
  CHECK(giant.hung_up());
  RawClient other(nicsim.socket());
  CHECK(ask(other, static_cast<MessageType>(21)) == Status::kMalformed);
  CHECK(other.hung_up());
  RawClient old(nicsim.socket());
  wire::PlainReply request{old.header(MessageType::kSnapshot)};
  request.header.version = wire::kVersion - 1;
  REQUIRE(old.send(request));
  const auto verdict = old.receive_header();
  CHECK(verdict->status == Status::kVersionMismatch);
  CHECK(verdict->version == wire::kVersion);
  CHECK(old.hung_up());
}

TEST_CASE("descriptors that are sent along are closed, and change nothing") {
  NicsimProcess nicsim;
  RawClient observer(nicsim.socket());
  const auto open_in_nicsim = [&] {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) {
      struct stat status {};
      const std::string name =
          "/proc/" + std::to_string(nicsim.pid()) + "/fd/" + std::to_string(fd);
      count += ::lstat(name.c_str(), &status) == 0 ? 1 : 0;
    }
    return count;
  };
  snapshot(observer);
  const int before = open_in_nicsim();
  REQUIRE(before > 0);
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(observer.send(wire::PlainReply{observer.header(MessageType::kSnapshot)}, pipes));
    CHECK(observer.receive().size() == sizeof(wire::SnapshotReply));
  }
  // What came with the last request may be open for another moment.
  RawClient::await([&] { return open_in_nicsim() <= before; });
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST_CASE("an observer that does not take its answers is cut off, and disturbs nobody") {
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  RawClient deaf(nicsim.socket());
  bool cut_off = false;
  for (int i = 0; i < 100'000 && !cut_off; ++i) {
    cut_off = !deaf.send(wire::PlainReply{deaf.header(MessageType::kSnapshot)});
    if (i % 10 == 0) pair.round();
  }
  CHECK(cut_off);
  RawClient observer(nicsim.socket());
  CHECK(shows(snapshot(observer), "\"observers\":1"));
}

TEST_CASE("many observers, that hang up in the middle") {
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<RawClient>> observers;
    for (int i = 0; i < 50; ++i) {
      observers.push_back(std::make_unique<RawClient>(nicsim.socket()));
      REQUIRE(observers.back()->send(
          wire::PlainReply{observers.back()->header(MessageType::kSnapshot)}));
    }
    // Half of them hear the answer.
    for (std::size_t i = 0; i < observers.size(); i += 2) {
      CHECK(observers[i]->receive().size() == sizeof(wire::SnapshotReply));
    }
    pair.round();
  }
  RawClient observer(nicsim.socket());
  // The others go as soon as nicsim looks.
  RawClient::await([&] { return shows(snapshot(observer), "\"observers\":1"); });
}

TEST_CASE("random requests of observers") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  NicsimProcess nicsim;
  GoodPair pair(nicsim.socket());
  for (int round = 0; round < 100; ++round) {
    RawClient observer(nicsim.socket());
    snapshot(observer);
    for (int message = 0; message < 20; ++message) {
      std::vector<std::byte> bytes(16 + random() % 3 * 4 + random() % 2);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 3);
      const auto header = observer.header(static_cast<MessageType>(13 + random() % 9));
      std::memcpy(bytes.data(), &header, sizeof header);
      if (!observer.send(std::span<const std::byte>(bytes)) || observer.receive().empty()) break;
    }
    pair.round();
  }
  CHECK(nicsim.terminate() == 0);
}
