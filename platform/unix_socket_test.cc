// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/unix_socket.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/faults/open_descriptors.h"

namespace vmmc::platform {
namespace {

using tests::count_open_descriptors;
using tests::FailingSystemCalls;

std::string random_abstract_name() {
  std::random_device random;
  return "@vmmc-test-" + std::to_string(random()) + "-" + std::to_string(random());
}

// A directory with a short name, removed at the end; also the watchdog of its test.
class Directory {
 public:
  Directory() {
    ::alarm(30);
    REQUIRE(::mkdtemp(path_) != nullptr);
  }
  ~Directory() {
    std::filesystem::remove_all(path_);
    ::alarm(0);
  }
  std::string operator/(const std::string& name) const { return std::string(path_) + "/" + name; }

 private:
  char path_[64] = "/tmp/vmmc-test-XXXXXX";
};

template <typename T>
T value_of(Result<T> result) {
  if (!result.ok()) FAIL(result.error().call << ": " << std::strerror(result.error().number));
  return std::move(result.value());
}

template <typename T>
int errno_of(const Result<T>& result) {
  return result.ok() ? 0 : result.error().number;
}

FileDescriptor listen_at(const std::string& name) { return value_of(listen_unix_socket(name)); }
FileDescriptor connect_to(const std::string& name) { return value_of(connect_unix_socket(name)); }

FileDescriptor accept_from(const FileDescriptor& listener) {
  FileDescriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  REQUIRE(socket.valid());
  return socket;
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

bool close_on_exec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

// Its end tells the other processes to go on.
struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  FileDescriptor out;
  FileDescriptor in;
};

// A listening socket made by hand.
FileDescriptor bare_listener(const std::string& path, int type, int backlog) {
  FileDescriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(socket.get(), backlog) == 0);
  return socket;
}

TEST_CASE("abstract and path names connect; sockets are of the promised kind") {
  const Directory directory;
  for (const std::string& name : {random_abstract_name(), directory / "socket"}) {
    CAPTURE(name);
    const FileDescriptor listener = listen_at(name);
    CHECK(close_on_exec(listener.get()));
    CHECK((::fcntl(listener.get(), F_GETFL) & O_NONBLOCK) != 0);
    const FileDescriptor near = connect_to(name);
    CHECK(close_on_exec(near.get()));
    CHECK((::fcntl(near.get(), F_GETFL) & O_NONBLOCK) == 0);
    const FileDescriptor far = accept_from(listener);
    const std::array<std::byte, 3> message{};
    CHECK(value_of(send_message(near.get(), message)) == 3);
    std::array<std::byte, 8> buffer{};
    CHECK(value_of(receive_message(far.get(), buffer)).bytes == 3);
    CHECK(exists(name) == (name[0] == '/'));
  }
}

TEST_CASE("nobody listens there") {
  const Directory directory;
  CHECK(errno_of(connect_unix_socket(directory / "socket")) == ENOENT);
  CHECK(errno_of(connect_unix_socket(random_abstract_name())) == ECONNREFUSED);
  listen_at(directory / "socket").reset();
  CHECK(errno_of(connect_unix_socket(directory / "socket")) == ECONNREFUSED);
}

TEST_CASE("an abstract name ends where it ends, and with its server") {
  const std::string name = random_abstract_name();
  FileDescriptor listener = listen_at(name);
  CHECK(errno_of(connect_unix_socket(name + "x")) == ECONNREFUSED);
  CHECK(errno_of(connect_unix_socket(name.substr(0, name.size() - 1))) == ECONNREFUSED);
  listener.reset();
  CHECK(errno_of(connect_unix_socket(name)) == ECONNREFUSED);
  CHECK(listen_unix_socket(name).ok());
}

TEST_CASE("names have 1 to 107 bytes") {
  const Directory directory;
  const std::string path = directory / "";
  for (const std::string& start : {random_abstract_name(), path}) {
    CAPTURE(start);
    const std::string longest = start + std::string(107 - start.size(), 'x');
    const FileDescriptor listener = listen_at(longest);
    CHECK(connect_unix_socket(longest).ok());
    CHECK(errno_of(listen_unix_socket(longest + "x")) == ENAMETOOLONG);
    CHECK(errno_of(connect_unix_socket(longest + "x")) == ENAMETOOLONG);
  }
  CHECK(errno_of(listen_unix_socket("")) == EINVAL);
  CHECK(errno_of(connect_unix_socket("")) == EINVAL);
}

TEST_CASE("a path is its owner's alone, whatever the umask") {
  const Directory directory;
  const mode_t mask = ::umask(0);
  const FileDescriptor listener = listen_at(directory / "socket");
  ::umask(mask);
  struct stat status {};
  REQUIRE(::lstat((directory / "socket").c_str(), &status) == 0);
  CHECK(status.st_mode == (S_IFSOCK | 0600));
}

TEST_CASE("a live server keeps its name") {
  const Directory directory;
  for (const std::string& name : {random_abstract_name(), directory / "socket"}) {
    const FileDescriptor listener = listen_at(name);
    CHECK(errno_of(listen_unix_socket(name)) == EADDRINUSE);
    CHECK(connect_unix_socket(name).ok());
  }
}

TEST_CASE("a live server of another kind, or with a full queue, keeps its path") {
  const Directory directory;
  const FileDescriptor stream = bare_listener(directory / "stream", SOCK_STREAM, 8);
  CHECK(errno_of(listen_unix_socket(directory / "stream")) == EADDRINUSE);
  const FileDescriptor full = bare_listener(directory / "full", SOCK_SEQPACKET, 0);
  const FileDescriptor waiting = connect_to(directory / "full");
  CHECK(errno_of(listen_unix_socket(directory / "full")) == EADDRINUSE);
}

TEST_CASE("what is no socket is not replaced") {
  const Directory directory;
  std::ofstream(directory / "file") << "precious";
  CHECK(errno_of(listen_unix_socket(directory / "file")) == EADDRINUSE);
  std::string content;
  std::ifstream(directory / "file") >> content;
  CHECK(content == "precious");
  listen_at(directory / "stale").reset();
  std::filesystem::create_symlink(directory / "stale", directory / "link");
  CHECK(errno_of(listen_unix_socket(directory / "link")) == EADDRINUSE);
}

TEST_CASE("the path of a dead server is replaced") {
  const Directory directory;
  const std::string path = directory / "socket";
  listen_at(path).reset();
  REQUIRE(exists(path));
  const FileDescriptor listener = listen_at(path);
  CHECK(connect_unix_socket(path).ok());
}

TEST_CASE("a stale path that cannot be tried is no live server") {
  const Directory directory;
  const std::string path = directory / "socket";
  listen_at(path).reset();
  FailingSystemCalls faults(3, EMFILE);  // after the listening socket and the directory
  CHECK(errno_of(listen_unix_socket(path)) == EMFILE);
}

TEST_CASE("servers that race for the path of a dead one: one wins") {
  const Directory directory;
  const std::string path = directory / "socket";
  constexpr int kServers = 8;
  for (int round = 0; round < 10; ++round) {
    listen_at(path).reset();
    Pipe start, finish, outcomes;
    pid_t children[kServers];
    for (pid_t& child : children) {
      child = ::fork();
      REQUIRE(child >= 0);
      if (child != 0) continue;
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::alarm(30);
      start.in.reset();
      finish.in.reset();
      char byte = 0;
      (void)!::read(start.out.get(), &byte, 1);
      const Result<FileDescriptor> listener = listen_unix_socket(path);
      byte = listener.ok() ? 'w' : listener.error().number == EADDRINUSE ? 'l' : '?';
      (void)!::write(outcomes.in.get(), &byte, 1);
      (void)!::read(finish.out.get(), &byte, 1);
      ::_exit(0);
    }
    start.in.reset();
    std::multiset<char> seen;
    for (char byte = 0; seen.size() < kServers; seen.insert(byte)) {
      REQUIRE(::read(outcomes.out.get(), &byte, 1) == 1);
    }
    CHECK(seen.count('w') == 1);
    CHECK(seen.count('l') == kServers - 1);
    CHECK(connect_unix_socket(path).ok());
    finish.in.reset();
    for (const pid_t child : children) REQUIRE(::waitpid(child, nullptr, 0) == child);
  }
}

TEST_CASE("removing takes the path, and no file that has an abstract name's letters") {
  const Directory directory;
  const FileDescriptor listener = listen_at(directory / "socket");
  remove_unix_socket(directory / "socket");
  CHECK_FALSE(exists(directory / "socket"));
  remove_unix_socket("");

  const std::string name = random_abstract_name();
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory / "");
  std::ofstream(name).flush();
  remove_unix_socket(name);
  CHECK(exists(name));
  std::filesystem::current_path(before);
}

TEST_CASE("each side learns who the other is") {
  ::alarm(30);
  const std::string name = random_abstract_name();
  const FileDescriptor listener = listen_at(name);
  Pipe finish;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Result<FileDescriptor> socket = connect_unix_socket(name);
    finish.in.reset();
    char byte = 0;
    (void)!::read(finish.out.get(), &byte, 1);
    const bool right =
        socket.ok() && peer_credentials(socket.value().get()).value().pid == ::getppid();
    ::_exit(right ? 0 : 1);
  }
  REQUIRE(::fcntl(listener.get(), F_SETFL, 0) == 0);  // blocking
  const FileDescriptor socket = accept_from(listener);
  const PeerCredentials peer = value_of(peer_credentials(socket.get()));
  CHECK(peer.pid == child);
  CHECK(peer.uid == ::getuid());
  CHECK(peer.gid == ::getgid());
  finish.in.reset();
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(errno_of(peer_credentials(finish.out.get())) == ENOTSOCK);
  ::alarm(0);
}

// Listens where a dead server has been, and connects. False: what was asked for did not happen.
bool meet_at(const std::string& path) {
  const Result<FileDescriptor> listener = listen_unix_socket(path);
  if (!listener.ok()) return false;
  const bool connected = connect_unix_socket(path).ok();
  remove_unix_socket(path);
  return connected;
}

TEST_CASE("whichever call fails: an error, and nothing left open") {
  const Directory directory;
  const std::string path = directory / "socket";
  const std::size_t descriptors = count_open_descriptors();
  const std::string names[] = {"socket", "open", "socket", "connect", "socket", "connect"};
  unsigned n = 1;
  for (;; ++n) {
    CAPTURE(n);
    listen_at(path).reset();
    FailingSystemCalls faults(n, EMFILE);
    const bool met = meet_at(path);
    CHECK(count_open_descriptors() == descriptors);
    CHECK(met == (faults.failed_call() == nullptr));
    if (met) break;
    REQUIRE(n <= std::size(names));
    CHECK(faults.failed_call() == names[n - 1]);
  }
  CHECK(n == std::size(names) + 1);
}

TEST_CASE("the error is that of the call that failed") {
  const Directory directory;
  {
    FailingSystemCalls faults(1, EMFILE);
    CHECK(errno_of(connect_unix_socket(random_abstract_name())) == EMFILE);
  }
  {
    FailingSystemCalls faults(1, EMFILE);
    CHECK(errno_of(listen_unix_socket(random_abstract_name())) == EMFILE);
  }
  {
    FailingSystemCalls faults(2, ENFILE);  // the lock of the directory
    CHECK(errno_of(listen_unix_socket(directory / "socket")) == ENFILE);
  }
  CHECK(errno_of(listen_unix_socket(directory / "none/socket")) == ENOENT);
  CHECK_FALSE(exists(directory / "socket"));
}

TEST_CASE("an interrupted connect is tried again") {
  const std::string name = random_abstract_name();
  const FileDescriptor listener = listen_at(name);
  FailingSystemCalls faults(2, EINTR);
  CHECK(connect_unix_socket(name).ok());
  REQUIRE(faults.failed_call() != nullptr);
  CHECK(faults.failed_call() == std::string("connect"));
}

}  // namespace
}  // namespace vmmc::platform
