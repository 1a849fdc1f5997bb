// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/control_connection.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "platform/unix_socket.h"
#include "vmmc/internal/clock.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/vmmc.h"

using namespace vmmc::internal;
using namespace vmmc::internal::testing;
using vmmc::platform::FileDescriptor;
using vmmc::platform::ReceivedMessage;
namespace wire = vmmc::wire;

namespace {

// A connection, and nicsim's end of it in the hands of the test.
struct Rig {
  Rig() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    ours = ends[0];
    nicsim.reset(ends[1]);
    connection = std::make_unique<ControlConnection>(FileDescriptor(ends[0]));
    REQUIRE_FALSE(connection->start([this] { ++ends_announced; }));
  }

  int post(std::uint32_t* number, int descriptor = -1) {
    wire::UnexportRequest request{};
    request.buffer_id = 4711;
    return connection->post(wire::MessageType::kUnexport, request, number, sizeof request,
                            descriptor);
  }

  ReceivedMessage receive(wire::UnexportRequest& request) const {
    auto message = vmmc::platform::receive_message(nicsim.get(),
                                                   std::as_writable_bytes(std::span(&request, 1)));
    REQUIRE(message.ok());
    return std::move(message.value());
  }

  template <typename Message>
  void send(const Message& message, std::size_t bytes = sizeof(Message)) const {
    REQUIRE(vmmc::platform::send_message(nicsim.get(),
                                         std::as_bytes(std::span(&message, 1)).first(bytes))
                .ok());
  }

  static wire::MessageHeader header(std::uint32_t number, wire::Status status = wire::Status::kOk) {
    return {wire::kMagic, wire::kVersion, wire::MessageType::kUnexport, number, status};
  }
  void answer(std::uint32_t number, wire::Status status = wire::Status::kOk) const {
    send(wire::PlainReply{header(number, status)});
  }

  int ours = -1;  // the connection's descriptor
  FileDescriptor nicsim;
  std::atomic<int> ends_announced{0};
  std::unique_ptr<ControlConnection> connection;
};

constexpr std::uint64_t kMillisecond = 1'000'000;

}  // namespace

TEST_CASE("a request goes out with its header, a number of its own, and its descriptor") {
  const Watchdog watchdog;
  Rig rig;
  const FileDescriptor passed(::eventfd(5, EFD_CLOEXEC));
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  REQUIRE(rig.post(&first) == VMMC_OK);
  REQUIRE(rig.post(&second, passed.get()) == VMMC_OK);
  CHECK(first != second);
  wire::UnexportRequest request{};
  const ReceivedMessage plain = rig.receive(request);
  CHECK(plain.bytes == sizeof request);
  CHECK(plain.descriptor_count == 0);
  CHECK(request.header.magic == wire::kMagic);
  CHECK(request.header.version == wire::kVersion);
  CHECK(request.header.type == wire::MessageType::kUnexport);
  CHECK(request.header.request == first);
  CHECK(request.header.status == wire::Status::kOk);
  CHECK(request.buffer_id == 4711);
  const ReceivedMessage with_descriptor = rig.receive(request);
  CHECK(request.header.request == second);
  REQUIRE(with_descriptor.descriptor_count == 1);
  std::uint64_t value = 0;
  CHECK(::read(with_descriptor.descriptors[0].get(), &value, sizeof value) == sizeof value);
  CHECK(value == 5);
}

TEST_CASE("a reply says that descriptors were lost") {
  const Watchdog watchdog;
  Rig rig;
  const FileDescriptor passed(::eventfd(0, EFD_CLOEXEC));
  const int two[] = {passed.get(), passed.get()};
  for (const rlim_t room : {2, 1, 0}) {
    std::uint32_t number = 0;
    REQUIRE(rig.post(&number) == VMMC_OK);
    wire::UnexportRequest request{};
    (void)rig.receive(request);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const FileDescriptor next(::dup(passed.get()));  // the next two are behind it
    rlimit now = before;
    now.rlim_cur = static_cast<rlim_t>(next.get()) + 1 + room;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
    const wire::PlainReply message{Rig::header(number)};
    const auto sent =
        vmmc::platform::send_message(rig.nicsim.get(), std::as_bytes(std::span(&message, 1)), two);
    ControlConnection::Reply reply;
    const int status = rig.connection->wait(number, VMMC_FOREVER, &reply);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(sent.ok());
    CHECK(status == VMMC_OK);
    CHECK(reply.descriptors_lost() == (room < 2));
    CHECK(reply.take_descriptor(0).valid() == (room > 0));
    CHECK(reply.take_descriptor(1).valid() == (room > 1));
  }
}

TEST_CASE("a request of variable size is sent as far as it is used") {
  const Watchdog watchdog;
  Rig rig;
  wire::ExportRequest request{};
  request.extent_count = 2;
  std::uint32_t number = 0;
  constexpr std::size_t kBytes = offsetof(wire::ExportRequest, extents) + 2 * sizeof(wire::Extent);
  REQUIRE(rig.connection->post(wire::MessageType::kExport, request, &number, kBytes) == VMMC_OK);
  wire::ExportRequest got{};
  const auto message =
      vmmc::platform::receive_message(rig.nicsim.get(), std::as_writable_bytes(std::span(&got, 1)));
  REQUIRE(message.ok());
  CHECK(message.value().bytes == kBytes);
  CHECK(got.extent_count == 2);
}

TEST_CASE("replies find their requests in any order, and wait until they are asked for") {
  const Watchdog watchdog;
  Rig rig;
  std::vector<std::uint32_t> numbers(5);
  for (std::uint32_t& number : numbers) REQUIRE(rig.post(&number) == VMMC_OK);
  for (const int i : {3, 0, 4, 2, 1}) {
    rig.send(wire::RegisterSegmentReply{Rig::header(numbers[static_cast<std::size_t>(i)]),
                                        static_cast<std::uint32_t>(100 + i), 0});
  }
  for (std::uint32_t i = 0; i < 5; ++i) {
    ControlConnection::Reply reply;
    REQUIRE(rig.connection->wait(numbers[i], VMMC_FOREVER, &reply) == VMMC_OK);
    CHECK(reply.status() == wire::Status::kOk);
    CHECK(reply.as<wire::RegisterSegmentReply>().segment == 100 + i);
  }
}

TEST_CASE("a refusal may be short: the rest of the reply reads as 0") {
  const Watchdog watchdog;
  Rig rig;
  std::uint32_t number = 0;
  REQUIRE(rig.post(&number) == VMMC_OK);
  rig.answer(number, wire::Status::kUnknownExport);
  ControlConnection::Reply reply;
  REQUIRE(rig.connection->wait(number, VMMC_FOREVER, &reply) == VMMC_OK);
  CHECK(reply.status() == wire::Status::kUnknownExport);
  CHECK(reply.as<wire::ImportReply>().length == 0);
  CHECK(reply.as<wire::ImportReply>().import_slot == 0);
}

TEST_CASE("who gives up waiting may come back for the reply") {
  const Watchdog watchdog;
  Rig rig;
  std::uint32_t number = 0;
  REQUIRE(rig.post(&number) == VMMC_OK);
  ControlConnection::Reply reply;
  CHECK(rig.connection->wait(number, 0, &reply) == VMMC_ERR_TIMEOUT);
  const std::uint64_t before = monotonic_ns();
  CHECK(rig.connection->wait(number, 3 * kMillisecond, &reply) == VMMC_ERR_TIMEOUT);
  CHECK(monotonic_ns() - before >= 3 * kMillisecond);
  rig.answer(number, wire::Status::kDuplicateId);
  CHECK(rig.connection->wait(number, VMMC_FOREVER, &reply) == VMMC_OK);
  CHECK(reply.status() == wire::Status::kDuplicateId);
}

TEST_CASE("a timeout of centuries does not end at once") {
  const Watchdog watchdog;
  Rig rig;
  for (const std::uint64_t timeout : {std::uint64_t{1} << 63, std::uint64_t{INT64_MAX},
                                      (std::uint64_t{1} << 62) - 1, UINT64_MAX - 1}) {
    CAPTURE(timeout);
    std::uint32_t number = 0;
    REQUIRE(rig.post(&number) == VMMC_OK);
    std::thread nicsim([&] {
      ::usleep(2000);
      rig.answer(number);
    });
    ControlConnection::Reply reply;
    CHECK(rig.connection->wait(number, timeout, &reply) == VMMC_OK);
    nicsim.join();
  }
}

TEST_CASE("a reply that nobody asked for is dropped") {
  const Watchdog watchdog;
  Rig rig;
  std::uint32_t number = 0;
  REQUIRE(rig.post(&number) == VMMC_OK);
  rig.answer(number + 1000);
  rig.answer(number);
  ControlConnection::Reply reply;
  CHECK(rig.connection->wait(number, VMMC_FOREVER, &reply) == VMMC_OK);
  CHECK(rig.ends_announced == 0);
}

namespace {

int wait_for(const Rig& rig, std::uint32_t number) {
  ControlConnection::Reply reply;
  return rig.connection->wait(number, VMMC_FOREVER, &reply);
}

// Of each thread that receives: the signals that it blocks. Those of connections that have just ended may
// be among them for a moment.
std::vector<std::uint64_t> signals_blocked_by_receivers() {
  std::vector<std::uint64_t> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    bool ours = false;
    for (std::string line; std::getline(status, line);) {
      if (line == "Name:\tvmmc-control") ours = true;
      if (ours && line.starts_with("SigBlk:")) {
        found.push_back(std::stoull(line.substr(7), nullptr, 16));
      }
    }
  }
  return found;
}

// Whatever nicsim does in `part`: everybody who waits is told that it has gone, once.
template <typename Part>
void check_end(Part part) {
  Rig rig;
  std::array<std::uint32_t, 4> numbers{};
  for (std::uint32_t& number : numbers) REQUIRE(rig.post(&number) == VMMC_OK);
  const auto [answered, first, second, open] = numbers;
  const auto wait_for_end = [&rig](std::uint32_t number) {
    CHECK(wait_for(rig, number) == VMMC_ERR_NICSIM_GONE);
    CHECK(rig.ends_announced == 1);
  };
  std::thread first_waiter(wait_for_end, first);
  std::thread second_waiter(wait_for_end, second);
  // All of them read: a hang-up over unread requests would overtake the answer.
  wire::UnexportRequest request{};
  for (int i = 0; i < 4; ++i) rig.receive(request);
  rig.answer(answered);
  part(rig, first);
  first_waiter.join();
  second_waiter.join();
  wait_for_end(open);
  CHECK(wait_for(rig, answered) == VMMC_OK);  // came before
  std::uint32_t late = 0;
  CHECK(rig.post(&late) == VMMC_ERR_NICSIM_GONE);
  rig.connection.reset();
  CHECK(rig.ends_announced == 1);
}

}  // namespace

TEST_CASE("a hang-up ends everything, and replies that came before it are still there") {
  const Watchdog watchdog;
  check_end([](Rig& rig, std::uint32_t) { rig.nicsim.reset(); });
}

TEST_CASE("a reply that makes no sense is the end, like a hang-up") {
  const Watchdog watchdog;
  SUBCASE("too short for a header") {
    check_end([](Rig& rig, std::uint32_t number) {
      rig.send(wire::PlainReply{Rig::header(number)}, sizeof(wire::PlainReply) - 1);
    });
  }
  SUBCASE("longer than any reply") {
    check_end([](Rig& rig, std::uint32_t number) {
      wire::ExportRequest message{};
      message.header = Rig::header(number);
      rig.send(message);
    });
  }
  SUBCASE("not nicsim's") {
    check_end([](Rig& rig, std::uint32_t number) {
      wire::PlainReply reply{Rig::header(number)};
      reply.header.magic ^= 1;
      rig.send(reply);
    });
  }
}

TEST_CASE("the end of the connection ends its thread and its descriptor, without nicsim's help") {
  const Watchdog watchdog;
  Rig rig;
  rig.connection.reset();
  CHECK(rig.ends_announced == 1);
  CHECK(::fcntl(rig.ours, F_GETFD) == -1);
  wire::UnexportRequest request{};
  CHECK(rig.receive(request).bytes == 0);  // nicsim sees the hang-up
}

TEST_CASE("the receiving thread takes no signal that is meant for the program") {
  const Watchdog watchdog;
  Rig rig;
  std::vector<std::uint64_t> blocked;
  while (blocked.size() != 1) blocked = signals_blocked_by_receivers();
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGIO}) {
    CHECK((blocked[0] >> (number - 1) & 1) == 1);
  }
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(::sigismember(&mask, SIGUSR1) == 0);  // the caller's own mask is as it was
}

TEST_CASE("threads that ask at random of a nicsim that answers in any order all get their own") {
  const Watchdog watchdog;
  const std::uint32_t seed = choose_seed();
  MESSAGE("seed " << seed);
  Rig rig;
  constexpr std::uint32_t kAskers = 4;
  const std::uint64_t each = rounds(500);
  std::atomic<std::uint64_t> wrong{0};
  std::thread nicsim([&] {
    std::mt19937 random(seed);
    std::vector<wire::RegisterSegmentReply> held;
    for (std::uint64_t n = 0; n < kAskers * each;) {
      if (held.size() < kAskers && (held.empty() || random() % 2 == 0)) {
        wire::UnexportRequest request{};
        pollfd input{rig.nicsim.get(), POLLIN, 0};
        if (::poll(&input, 1, held.empty() ? -1 : 0) == 1) {
          rig.receive(request);
          held.push_back({Rig::header(request.header.request), request.buffer_id, 0});
        }
      }
      if (held.empty()) continue;
      std::swap(held[random() % held.size()], held.back());
      rig.send(held.back());
      held.pop_back();
      ++n;
    }
  });
  std::vector<std::thread> askers;
  for (std::uint32_t i = 0; i < kAskers; ++i) {
    askers.emplace_back([&, i] {
      for (std::uint64_t n = 0; n < each; ++n) {
        wire::UnexportRequest request{};
        request.buffer_id = static_cast<std::uint32_t>(n * kAskers + i);
        ControlConnection::Reply reply;
        const int status = rig.connection->call(wire::MessageType::kUnexport, request, &reply);
        if (status != VMMC_OK) ++wrong;
        if (reply.as<wire::RegisterSegmentReply>().segment != request.buffer_id) ++wrong;
      }
    });
  }
  for (auto& asker : askers) asker.join();
  nicsim.join();
  CHECK(wrong == 0);
}

TEST_CASE("abandon closes a forked child's copy of the socket, and nobody else notices") {
  const Watchdog watchdog;
  Rig rig;
  const pid_t child = ::fork();
  if (child == 0) {
    rig.connection->abandon();
    ::_exit(::fcntl(rig.ours, F_GETFD) == -1 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(rig.ends_announced == 0);
  std::uint32_t number = 0;
  REQUIRE(rig.post(&number) == VMMC_OK);
  rig.answer(number);
  ControlConnection::Reply reply;
  CHECK(rig.connection->wait(number, VMMC_FOREVER, &reply) == VMMC_OK);
}
