// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Each entry is called once in a way that works only if it is the call of its name and its
// arguments arrive in their places.

#include "platform/system_calls.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vmmc::platform {
namespace {

constexpr std::size_t kPage = 4096;

TEST_CASE("the real calls are in force until others are put there") {
  REQUIRE(&system_calls() == &real_system_calls());
  SystemCalls mine = real_system_calls();
  mine.eventfd = [](unsigned, int) { return -7; };
  replace_system_calls(&mine);
  const SystemCalls* in_force = &system_calls();
  const int answer = system_calls().eventfd(0, 0);
  replace_system_calls(nullptr);
  CHECK(in_force == &mine);
  CHECK(answer == -7);
  CHECK(&system_calls() == &real_system_calls());
}

TEST_CASE("memfd_create, allocate, add_seals") {
  const SystemCalls& calls = real_system_calls();
  const int fd = calls.memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(fd >= 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(calls.allocate(fd, kPage, 2 * kPage) == 0);
  struct stat status {};
  REQUIRE(::fstat(fd, &status) == 0);
  CHECK(status.st_size == 3 * kPage);
  CHECK(calls.add_seals(fd, F_SEAL_SHRINK) == 0);
  CHECK(::fcntl(fd, F_GET_SEALS) == F_SEAL_SHRINK);
  ::close(fd);
}

TEST_CASE("allocate tells its error by errno, unlike posix_fallocate") {
  errno = 0;
  CHECK(real_system_calls().allocate(-1, 0, kPage) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("mmap, mprotect, mremap, munmap") {
  const SystemCalls& calls = real_system_calls();
  const int fd = calls.memfd_create("test", MFD_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(calls.allocate(fd, 0, 2 * kPage) == 0);
  REQUIRE(::pwrite(fd, "second", 6, kPage) == 6);
  void* page = calls.mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, kPage);
  ::close(fd);
  REQUIRE(page != MAP_FAILED);
  CHECK(std::memcmp(page, "second", 6) == 0);
  CHECK(calls.mprotect(page, kPage, PROT_READ | PROT_WRITE) == 0);
  std::memcpy(page, "stored", 6);

  void* room = calls.mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(room != MAP_FAILED);
  CHECK(calls.mremap(page, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
  CHECK(std::memcmp(room, "stored", 6) == 0);
  CHECK(calls.munmap(room, kPage) == 0);
  errno = 0;
  CHECK(calls.mprotect(room, kPage, PROT_READ) == -1);
  CHECK(errno == ENOMEM);  // nothing is mapped there any more
}

TEST_CASE("eventfd") {
  const int fd = real_system_calls().eventfd(5, EFD_CLOEXEC | EFD_NONBLOCK);
  REQUIRE(fd >= 0);
  std::uint64_t count = 0;
  CHECK(::read(fd, &count, sizeof count) == sizeof count);
  CHECK(count == 5);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  ::close(fd);
}

TEST_CASE("pipe2") {
  int ends[2] = {-1, -1};
  REQUIRE(real_system_calls().pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  CHECK(::write(ends[1], "x", 1) == 1);
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 1);
  CHECK(byte == 'x');
  CHECK((::fcntl(ends[0], F_GETFD) & FD_CLOEXEC) != 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("socket, connect") {
  const SystemCalls& calls = real_system_calls();
  const int fd = calls.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  int type = 0;
  socklen_t length = sizeof type;
  REQUIRE(::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0);
  CHECK(type == SOCK_SEQPACKET);
  sockaddr_un nobody{};
  nobody.sun_family = AF_UNIX;
  std::strcpy(nobody.sun_path, "/nonexistent/socket");
  errno = 0;
  CHECK(calls.connect(fd, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody) == -1);
  CHECK(errno == ENOENT);
  ::close(fd);
}

TEST_CASE("sendmsg, recvmsg") {
  const SystemCalls& calls = real_system_calls();
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
  char text[] = "hello";
  iovec bytes{text, sizeof text};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  CHECK(calls.sendmsg(ends[0], &header, MSG_NOSIGNAL) == sizeof text);
  char got[sizeof text] = {};
  bytes = {got, sizeof got};
  CHECK(calls.recvmsg(ends[1], &header, MSG_PEEK | MSG_DONTWAIT) == sizeof text);
  CHECK(calls.recvmsg(ends[1], &header, MSG_DONTWAIT) == sizeof text);  // was only looked at
  CHECK(std::memcmp(got, text, sizeof text) == 0);
  errno = 0;
  CHECK(calls.recvmsg(ends[1], &header, MSG_DONTWAIT) == -1);
  CHECK(errno == EAGAIN);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("open") {
  const SystemCalls& calls = real_system_calls();
  const int fd = calls.open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  ::close(fd);
  errno = 0;
  CHECK(calls.open("/dev/null", O_RDONLY | O_DIRECTORY) == -1);
  CHECK(errno == ENOTDIR);
}

}  // namespace
}  // namespace vmmc::platform
