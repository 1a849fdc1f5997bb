// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What goes through a connected socket: messages and descriptors. unix_socket_test.cc tests the
// rest.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "platform/unix_socket.h"
#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/faults/open_descriptors.h"

namespace vmmc::platform {
namespace {

using tests::count_open_descriptors;
using tests::FailingSystemCalls;

// Two connected sockets that do not block.
struct Pair {
  Pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    near.reset(ends[0]);
    far.reset(ends[1]);
  }
  FileDescriptor near;
  FileDescriptor far;
};

// Something to pass: what is written into one end can be read from the other.
struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  FileDescriptor out;
  FileDescriptor in;
};

bool connects(int in, int out) {
  char byte = 'x';
  return ::write(in, &byte, 1) == 1 && ::read(out, &byte, 1) == 1;
}

std::vector<std::byte> message_of(std::size_t length, unsigned char first = 1) {
  std::vector<std::byte> message(length);
  for (std::size_t i = 0; i < length; ++i) message[i] = static_cast<std::byte>(first + i);
  return message;
}

void send(const FileDescriptor& socket, const std::vector<std::byte>& message,
          const std::vector<int>& descriptors = {}) {
  const Result<std::size_t> sent = send_message(socket.get(), message, descriptors);
  REQUIRE(sent.ok());
  CHECK(sent.value() == message.size());
}

ReceivedMessage receive(const FileDescriptor& socket, std::span<std::byte> buffer) {
  Result<ReceivedMessage> message = receive_message(socket.get(), buffer);
  REQUIRE(message.ok());
  return std::move(message.value());
}

// Sends more descriptors than send_message() agrees to.
void send_many(const FileDescriptor& socket, const std::vector<int>& descriptors) {
  char text = 'x';
  iovec bytes{&text, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
  REQUIRE(::sendmsg(socket.get(), &header, MSG_NOSIGNAL) == 1);
}

TEST_CASE("messages arrive whole, one by one, in order") {
  const Pair pair;
  send(pair.near, message_of(5, 10));
  send(pair.near, message_of(9, 20));
  std::array<std::byte, 64> buffer{};
  for (const auto& expected : {message_of(5, 10), message_of(9, 20)}) {
    const ReceivedMessage message = receive(pair.far, buffer);
    CHECK(message.bytes == expected.size());
    CHECK(std::equal(expected.begin(), expected.end(), buffer.begin()));
    CHECK_FALSE(message.truncated);
    CHECK(message.descriptor_count == 0);
  }
}

TEST_CASE("no message: EAGAIN, not a hang-up") {
  const Pair pair;
  std::array<std::byte, 64> buffer{};
  const Result<ReceivedMessage> message = receive_message(pair.far.get(), buffer);
  REQUIRE_FALSE(message.ok());
  CHECK(message.error().number == EAGAIN);
}

TEST_CASE("a message that just fits is whole; one byte more is truncated") {
  const Pair pair;
  std::array<std::byte, 8> buffer{};
  send(pair.near, message_of(8));
  send(pair.near, message_of(9));
  send(pair.near, message_of(3));
  CHECK_FALSE(receive(pair.far, buffer).truncated);
  CHECK(receive(pair.far, buffer).truncated);
  const ReceivedMessage next = receive(pair.far, buffer);  // the rest of the long one is gone
  CHECK(next.bytes == 3);
  CHECK_FALSE(next.truncated);
}

TEST_CASE("descriptors arrive in order, close-on-exec, as duplicates") {
  const Pair pair;
  Pipe pipe;
  send(pair.near, message_of(1), {pipe.in.get(), pipe.out.get()});
  pipe.in.reset();
  pipe.out.reset();
  std::array<std::byte, 8> buffer{};
  const ReceivedMessage message = receive(pair.far, buffer);
  REQUIRE(message.descriptor_count == 2);
  CHECK_FALSE(message.truncated);
  CHECK(connects(message.descriptors[0].get(), message.descriptors[1].get()));
  for (const FileDescriptor& descriptor : message.descriptors) {
    CHECK((::fcntl(descriptor.get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("one descriptor is one descriptor") {
  const Pair pair;
  const Pipe pipe;
  send(pair.near, message_of(1), {pipe.out.get()});
  std::array<std::byte, 8> buffer{};
  const ReceivedMessage message = receive(pair.far, buffer);
  REQUIRE(message.descriptor_count == 1);
  CHECK(connects(pipe.in.get(), message.descriptors[0].get()));
  CHECK_FALSE(message.descriptors[1].valid());
}

TEST_CASE("descriptors of a truncated message are not lost") {
  const std::size_t descriptors = count_open_descriptors();
  {
    const Pair pair;
    const Pipe pipe;
    send(pair.near, message_of(9), {pipe.in.get(), pipe.out.get()});
    std::array<std::byte, 8> buffer{};
    const ReceivedMessage message = receive(pair.far, buffer);
    CHECK(message.truncated);
    CHECK(message.descriptor_count == 2);
  }
  CHECK(count_open_descriptors() == descriptors);
}

TEST_CASE("more descriptors than allowed are not sent") {
  const Pair pair;
  const std::vector<int> too_many(kMaxPassedDescriptors + 1, pair.near.get());
  const Result<std::size_t> sent = send_message(pair.near.get(), message_of(1), too_many);
  REQUIRE_FALSE(sent.ok());
  CHECK(sent.error().number == EINVAL);
  std::array<std::byte, 8> buffer{};
  CHECK_FALSE(receive_message(pair.far.get(), buffer).ok());
}

TEST_CASE("more descriptors than allowed are received as truncated, and none stays open") {
  for (const std::size_t count :
       {kMaxPassedDescriptors + 1, kMaxPassedDescriptors + 2, std::size_t{17}, std::size_t{64}}) {
    CAPTURE(count);
    const std::size_t descriptors = count_open_descriptors();
    {
      const Pair pair;
      send_many(pair.near, std::vector<int>(count, pair.near.get()));
      std::array<std::byte, 8> buffer{};
      const ReceivedMessage message = receive(pair.far, buffer);
      CHECK(message.truncated);
      CHECK(message.descriptor_count <= kMaxPassedDescriptors);
    }
    CHECK(count_open_descriptors() == descriptors);
  }
}

TEST_CASE("a hang-up comes after the messages, as 0 bytes") {
  Pair pair;
  send(pair.near, message_of(3));
  pair.near.reset();
  std::array<std::byte, 8> buffer{};
  CHECK(receive(pair.far, buffer).bytes == 3);
  for (int i = 0; i < 2; ++i) {
    const ReceivedMessage message = receive(pair.far, buffer);
    CHECK(message.bytes == 0);
    CHECK_FALSE(message.truncated);
  }
}

TEST_CASE("sending to a peer that has gone is an error, not a deadly signal") {
  ::signal(SIGPIPE, SIG_DFL);  // whatever the test's parent made of it
  Pair pair;
  pair.far.reset();
  const Result<std::size_t> sent = send_message(pair.near.get(), message_of(1));
  REQUIRE_FALSE(sent.ok());
  CHECK(sent.error().number == EPIPE);
}

TEST_CASE("whichever call fails: its error, and nothing is lost or left open") {
  const std::size_t before = count_open_descriptors();
  const std::string names[] = {"sendmsg", "recvmsg"};
  for (unsigned n = 1; n <= std::size(names); ++n) {
    const Pair pair;
    const Pipe pipe;
    const std::vector<int> passed = {pipe.in.get(), pipe.out.get()};
    std::array<std::byte, 8> buffer{};
    const std::size_t descriptors = count_open_descriptors();
    FailingSystemCalls faults(n, ENOMEM);
    const Result<std::size_t> sent = send_message(pair.near.get(), message_of(3), passed);
    CHECK(sent.ok() == (n != 1));
    if (!sent.ok()) CHECK(sent.error().number == ENOMEM);
    const Result<ReceivedMessage> received = receive_message(pair.far.get(), buffer);
    REQUIRE_FALSE(received.ok());
    CHECK(received.error().number == (n == 1 ? EAGAIN : ENOMEM));
    CHECK(count_open_descriptors() == descriptors);
    REQUIRE(faults.failed_call() != nullptr);
    CHECK(faults.failed_call() == names[n - 1]);
    if (n == 2) CHECK(receive(pair.far, buffer).descriptor_count == 2);
    CHECK(faults.calls() == n + 1);
  }
  CHECK(count_open_descriptors() == before);
}

TEST_CASE("interrupted calls are tried again") {
  const Pair pair;
  std::array<std::byte, 8> buffer{};
  {
    FailingSystemCalls faults(1, EINTR);
    send(pair.near, message_of(3));
    CHECK(faults.calls() == 2);
  }
  FailingSystemCalls faults(1, EINTR);
  CHECK(receive(pair.far, buffer).bytes == 3);
  CHECK(faults.calls() == 2);
}

}  // namespace
}  // namespace vmmc::platform
