// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/fleet.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "tests/random_operations/worker.h"

namespace vmmc::testing::random_operations {

Fleet::Fleet(std::string nicsim) : nicsim_(std::move(nicsim)) {
  for (std::uint32_t i = 0; i < kProcesses; ++i) start(i);
}

Fleet::~Fleet() {
  for (std::uint32_t i = 0; i < kProcesses; ++i) end(i);
}

void Fleet::start(std::uint32_t process) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw std::runtime_error("socketpair");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    // The others' sockets must end with the coordinator.
    for (const Member& other : members_) {
      if (other.socket >= 0) ::close(other.socket);
    }
    ::close(ends[0]);
    run_worker(process, nicsim_, ends[1]);
  }
  ::close(ends[1]);
  members_[process] = {child, ends[0]};
}

void Fleet::end(std::uint32_t process) {
  Member& member = members_[process];
  ::kill(member.pid, SIGKILL);
  ::waitpid(member.pid, nullptr, 0);
  ::close(member.socket);
  member = {};
}

void Fleet::replace(std::uint32_t process) {
  end(process);
  start(process);
}

void Fleet::post(const Command& command) {
  const int socket = members_[command.process].socket;
  if (::send(socket, &command, sizeof command, MSG_NOSIGNAL) != sizeof command) {
    throw std::runtime_error("worker " + std::to_string(command.process) + " has ended");
  }
}

void Fleet::receive(std::uint32_t process, void* to, std::size_t length) {
  constexpr int kMostMilliseconds = 60'000;
  const int socket = members_[process].socket;
  std::size_t done = 0;
  while (done < length) {
    pollfd ready{socket, POLLIN, 0};
    if (::poll(&ready, 1, kMostMilliseconds) == 0) {
      throw std::runtime_error("worker " + std::to_string(process) + " does not answer");
    }
    const ssize_t got = ::recv(socket, static_cast<char*>(to) + done, length - done, 0);
    if (got <= 0) throw std::runtime_error("worker " + std::to_string(process) + " has ended");
    done += static_cast<std::size_t>(got);
  }
}

Answer Fleet::take(std::uint32_t process, Bytes* payload) {
  Answer answer;
  receive(process, &answer, sizeof answer);
  Bytes bytes(answer.payload);
  receive(process, bytes.data(), bytes.size());
  if (payload != nullptr) *payload = std::move(bytes);
  return answer;
}

}  // namespace vmmc::testing::random_operations
