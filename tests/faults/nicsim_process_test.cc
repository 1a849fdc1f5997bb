// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// nicsim as a process: how it starts, whom it serves, how it ends.
#include "tests/support/processes/nicsim_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "tests/faults/raw_client.h"

using namespace vmmc;
using namespace vmmc::testing;

namespace {

struct Output {
  int status;
  std::string text;
};

// Runs nicsim to its end and collects what it prints.
Output run_nicsim(const std::string& arguments) {
  const std::string command = nicsim_binary() + " " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
  return {WEXITSTATUS(::pclose(pipe)), text};
}

// A short private directory: socket paths are limited to 107 bytes.
struct Directory {
  char path[32] = "/tmp/vmmc-XXXXXX";
  Directory() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Directory() { ::rmdir(path); }
};

// Processor time used by a process so far, in ms.
long cpu_milliseconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string field;
  long ticks = 0;
  for (int i = 1; file >> field && i <= 15; ++i) {
    if (i == 14 || i == 15) ticks += std::stol(field);
  }
  return ticks * 1000 / ::sysconf(_SC_CLK_TCK);
}

std::size_t resident_kilobytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (file >> word) {
    if (word == "VmRSS:") {
      std::size_t kilobytes = 0;
      file >> kilobytes;
      return kilobytes;
    }
  }
  return 0;
}

// Root can, but not inside a user namespace that knows one user only.
bool can_become_another_user() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::setresuid(65534, 65534, 65534) == 0 ? 0 : 1);
  int status = 1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

TEST_CASE("ends cleanly on SIGTERM and SIGINT") {
  NicsimProcess first;
  CHECK(first.terminate() == 0);
  NicsimProcess second;
  ::kill(second.pid(), SIGINT);
  CHECK(second.wait() == 0);
}

TEST_CASE("a second nicsim at the same socket says so") {
  NicsimProcess nicsim;
  const Output output = run_nicsim("--foreground --socket " + nicsim.socket());
  CHECK(output.status == 3);
  CHECK(output.text.find("another nicsim serves " + nicsim.socket()) != std::string::npos);
}

TEST_CASE("mistakes on the command line end with status 2 and a line that names them") {
  for (const char* wrong : {"--nodes 0", "--nodes 2x", "--log loud", "--nonsense"}) {
    const Output output = run_nicsim(wrong);
    CAPTURE(wrong);
    CHECK(output.status == 2);
    CHECK_FALSE(output.text.empty());
  }
  CHECK(run_nicsim("--version").status == 0);
  CHECK(run_nicsim("--help").text.find("--socket") != std::string::npos);
  CHECK(run_nicsim("--foreground --socket /no/such/place").status == 1);
  CHECK(run_nicsim("--foreground --socket " + std::string(200, 'x')).status == 1);
}

TEST_CASE("a socket file is private, removed at the end, and replaced when its nicsim was killed") {
  Directory directory;
  const std::string path = std::string(directory.path) + "/socket";
  for (const int signal_number : {SIGKILL, SIGTERM}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(nicsim_binary().c_str(), "nicsim", "--foreground", "--socket", path.c_str(), nullptr);
      ::_exit(127);
    }
    while (!platform::connect_unix_socket(path).ok()) ::usleep(1000);
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    RawClient(path).attach();
    ::kill(child, signal_number);
    int wait_status = 0;
    REQUIRE(::waitpid(child, &wait_status, 0) == child);
    CHECK((::lstat(path.c_str(), &status) == 0) == (signal_number == SIGKILL));
  }
}

TEST_CASE("in the background it leaves the terminal and its parent ends with 0") {
  const std::string socket = "@vmmc-test-" + random_name();
  CHECK(run_nicsim("--leave-with-last-client --socket " + socket).status == 0);
  RawClient client(socket);
  client.attach();
}

TEST_CASE("leaves with its last client when told to") {
  NicsimProcess nicsim({"--leave-with-last-client"});
  {
    RawClient first(nicsim.socket());
    RawClient second(nicsim.socket());
    first.attach();
    second.attach();
  }
  CHECK(nicsim.wait() == 0);
}

TEST_CASE("leaves when a client that never attached is the last to go") {
  NicsimProcess nicsim({"--leave-with-last-client"});
  {
    RawClient silent(nicsim.socket());
    RawClient client(nicsim.socket());
    client.attach();
    { RawClient gone = std::move(client); }
    ::usleep(100'000);
  }
  CHECK(nicsim.wait() == 0);
}

TEST_CASE("leaves when the client that it was started for never comes") {
  NicsimProcess nicsim({"--leave-with-last-client"});
  CHECK(nicsim.wait() == 0);
}

TEST_CASE("stays when its clients leave, unless told otherwise") {
  NicsimProcess nicsim;
  RawClient(nicsim.socket()).attach();
  RawClient(nicsim.socket()).attach();
}

TEST_CASE("serves its own user only, unless told otherwise") {
  if (!can_become_another_user()) {
    MESSAGE("cannot become another user here; not tested");
    return;
  }
  for (const bool any : {false, true}) {
    CAPTURE(any);
    NicsimProcess nicsim(any ? std::vector<std::string>{"--users", "any"}
                             : std::vector<std::string>{});
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
      auto socket = platform::connect_unix_socket(nicsim.socket());
      if (!socket.ok()) ::_exit(8);
      wire::AttachRequest request{
          {wire::kMagic, wire::kVersion, wire::MessageType::kAttach, 1, wire::Status::kOk},
          wire::kAnyNode,
          wire::kAnyProcess,
          0,
          0,
          0};
      (void)platform::send_message(socket.value().get(), std::as_bytes(std::span(&request, 1)));
      std::array<std::byte, 4096> buffer;
      (void)platform::receive_message(socket.value().get(), buffer);
      wire::MessageHeader header;
      std::memcpy(&header, buffer.data(), sizeof header);
      ::_exit(header.status == wire::Status::kOk               ? 0
              : header.status == wire::Status::kUserNotAllowed ? 5
                                                               : 7);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == (any ? 0 : 5));
  }
}

TEST_CASE("idle, it uses no processor time and little memory") {
  NicsimProcess nicsim;
  RawClient clients[] = {RawClient(nicsim.socket()), RawClient(nicsim.socket()),
                         RawClient(nicsim.socket()), RawClient(nicsim.socket())};
  for (RawClient& client : clients) client.attach();
  // It may have to end what the attaching began.
  long before = -1;
  const auto at_rest = [&] {
    ::usleep(200'000);
    const long now = cpu_milliseconds(nicsim.pid());
    return std::exchange(before, now) == now;
  };
  while (!at_rest()) continue;
  ::sleep(2);
  CHECK(cpu_milliseconds(nicsim.pid()) - before <= 10);  // one tick of the kernel's clock
  CHECK(resident_kilobytes(nicsim.pid()) < 16 * 1024);
}
