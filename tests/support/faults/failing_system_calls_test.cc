// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/support/faults/failing_system_calls.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "platform/system_calls.h"

namespace vmmc::tests {
namespace {

using platform::system_calls;
using platform::SystemCalls;

// A call that works everywhere.
bool make_eventfd() {
  const int fd = system_calls().eventfd(0, EFD_CLOEXEC);
  if (fd < 0) return false;
  ::close(fd);
  return true;
}

TEST_CASE("counts and lets everything pass") {
  FailingSystemCalls faults;
  CHECK(faults.calls() == 0);
  CHECK(make_eventfd());
  CHECK(make_eventfd());
  CHECK(faults.calls() == 2);
  CHECK(faults.failed_call() == nullptr);
}

TEST_CASE("exactly the n-th call fails") {
  for (unsigned n = 1; n <= 4; ++n) {
    FailingSystemCalls faults(n, ENFILE);
    for (unsigned call = 1; call <= 4; ++call) {
      errno = 0;
      CHECK(make_eventfd() == (call != n));
      if (call == n) CHECK(errno == ENFILE);
    }
    CHECK(faults.calls() == 4);
    REQUIRE(faults.failed_call() != nullptr);
    CHECK(std::string(faults.failed_call()) == "eventfd");
  }
}

TEST_CASE("the end of the object puts the real calls back") {
  { FailingSystemCalls faults(1, EMFILE); }
  CHECK(&system_calls() == &platform::real_system_calls());
  CHECK(make_eventfd());
}

TEST_CASE("calls that return an address fail with MAP_FAILED") {
  FailingSystemCalls faults(1, ENOMEM);
  CHECK(system_calls().mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
        MAP_FAILED);
  CHECK(errno == ENOMEM);
}

TEST_CASE("every call of the table can fail, under its own name, without being carried out") {
  const auto fails_as = [](const char* name, auto call) {
    FailingSystemCalls faults(1, EIO);
    errno = 0;
    const bool failed = call(system_calls());
    return failed && errno == EIO && faults.failed_call() != nullptr &&
           std::string(name) == faults.failed_call();
  };
  CHECK(fails_as("memfd_create",
                 [](const SystemCalls& c) { return c.memfd_create("test", 0) == -1; }));
  CHECK(fails_as("allocate", [](const SystemCalls& c) { return c.allocate(-1, 0, 1) == -1; }));
  CHECK(fails_as("add_seals", [](const SystemCalls& c) { return c.add_seals(-1, 0) == -1; }));
  CHECK(fails_as(
      "mmap", [](const SystemCalls& c) { return c.mmap(nullptr, 1, 0, 0, -1, 0) == MAP_FAILED; }));
  CHECK(fails_as("munmap", [](const SystemCalls& c) { return c.munmap(nullptr, 4096) == -1; }));
  CHECK(fails_as("mprotect",
                 [](const SystemCalls& c) { return c.mprotect(nullptr, 4096, 0) == -1; }));
  CHECK(fails_as("mremap", [](const SystemCalls& c) {
    return c.mremap(nullptr, 1, 1, 0, nullptr) == MAP_FAILED;
  }));
  CHECK(fails_as("eventfd", [](const SystemCalls& c) { return c.eventfd(0, 0) == -1; }));
  CHECK(fails_as("pipe2", [](const SystemCalls& c) {
    int ends[2] = {-1, -1};
    return c.pipe2(ends, 0) == -1;
  }));
  CHECK(fails_as("socket",
                 [](const SystemCalls& c) { return c.socket(AF_UNIX, SOCK_STREAM, 0) == -1; }));
  CHECK(fails_as("connect", [](const SystemCalls& c) { return c.connect(-1, nullptr, 0) == -1; }));
  CHECK(fails_as("sendmsg", [](const SystemCalls& c) { return c.sendmsg(-1, nullptr, 0) == -1; }));
  CHECK(fails_as("recvmsg", [](const SystemCalls& c) { return c.recvmsg(-1, nullptr, 0) == -1; }));
  CHECK(fails_as("open", [](const SystemCalls& c) { return c.open("/", O_RDONLY) == -1; }));
}

TEST_CASE("a forked child counts for itself") {
  FailingSystemCalls faults(2, ENOMEM);
  CHECK(make_eventfd());
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(!make_eventfd() && make_eventfd() && faults.calls() == 3 ? 0 : 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(faults.calls() == 1);
}

}  // namespace
}  // namespace vmmc::tests
