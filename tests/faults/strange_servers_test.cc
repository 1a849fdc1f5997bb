// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// Whom programs may meet where their nicsim should be.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <span>
#include <thread>
#include <vector>

#include "nicsim/wire/control.h"
#include "platform/unix_socket.h"
#include "tests/faults/lone_program.h"
#include "tests/support/processes/run_processes.h"

using namespace vmmc::testing;
namespace wire = vmmc::wire;
namespace platform = vmmc::platform;

namespace {

using Body = std::function<void(Part&)>;

// Serves one after the other at `socket`, in a thread, until it ends.
class FakeServer {
 public:
  using Conversation = std::function<void(int socket)>;
  explicit FakeServer(const std::string& socket, const Conversation& conversation) {
    auto listener = platform::listen_unix_socket(socket);
    REQUIRE(listener.ok());
    listener_ = std::move(listener.value());
    thread_ = std::thread([this, conversation] {
      while (!over_) {
        pollfd ready{listener_.get(), POLLIN, 0};
        if (::poll(&ready, 1, 10) != 1) continue;
        const platform::FileDescriptor client(::accept(listener_.get(), nullptr, nullptr));
        if (client.valid()) conversation(client.get());
      }
    });
  }
  ~FakeServer() {
    over_ = true;
    thread_.join();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

 private:
  platform::FileDescriptor listener_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

void read_request(int client) {
  std::array<std::byte, wire::kMaxMessageBytes> buffer;
  (void)platform::receive_message(client, buffer);
}

template <typename Reply>
void answer(int client, const Reply& reply) {
  read_request(client);
  (void)platform::send_message(client, std::as_bytes(std::span(&reply, 1)));
}

// Attaching to the fake server fails with this, whether one might be started or not.
Body meets(const std::string& socket, int status, const std::vector<std::string>& words) {
  return [=](Part&) {
    be_alone();
    std::string sentence;
    const int result = init_at(socket, true, &sentence);
    if (result != status) std::fprintf(stderr, "%s\n", vmmc_status_name(result));
    EXPECT(result == status);
    for (const std::string& word : words) EXPECT(mentions(sentence, word));
    EXPECT(vmmc_finalize() == VMMC_ERR_NOT_ATTACHED);
  };
}

wire::AttachReply reply_of(std::uint16_t version, wire::Status status) {
  wire::AttachReply reply{};
  reply.header = {wire::kMagic, version, wire::MessageType::kAttach, 0, status};
  return reply;
}

}  // namespace

TEST_CASE("a nicsim of another version is named, and so are we") {
  const std::string socket = fresh_name();
  const FakeServer server(socket, [](int client) {
    answer(client, wire::PlainReply{reply_of(4711, wire::Status::kVersionMismatch).header});
  });
  const std::string ours = "version " + std::to_string(wire::kVersion);
  run_processes(socket, {meets(socket, VMMC_ERR_VERSION, {ours + " ", "version 4711", socket})});
}

TEST_CASE("a server that talks nonsense is no nicsim") {
  for (const int size : {1, 16, 40, 4000}) {
    CAPTURE(size);
    const std::string socket = fresh_name();
    const FakeServer server(socket, [size](int client) {
      read_request(client);
      const std::vector<std::byte> bytes(static_cast<std::size_t>(size), std::byte{0x41});
      (void)platform::send_message(client, bytes);
    });
    run_processes(socket, {meets(socket, VMMC_ERR_MALFORMED, {socket, "no nicsim"})});
  }
  const std::string socket = fresh_name();
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const FakeServer server(socket, [&](int client) {
    read_request(client);
    const auto reply = reply_of(wire::kVersion, wire::Status::kOk);
    (void)platform::send_message(client, std::as_bytes(std::span(&reply, 1)), pipe);
  });
  run_processes(socket, {meets(socket, VMMC_ERR_MALFORMED, {socket, "no channel"})});
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("servers that say nothing, hang up or do not accept end in an error") {
  const std::string silent = fresh_name();
  const std::string rude = fresh_name();
  const std::string busy = fresh_name();
  const FakeServer silent_server(silent, [](int client) {
    pollfd hang_up{client, 0, 0};
    ::poll(&hang_up, 1, 20'000);
  });
  const FakeServer rude_server(rude, [](int) {});
  auto listener = platform::listen_unix_socket(busy);
  REQUIRE(listener.ok());
  REQUIRE(::listen(listener.value().get(), 0) == 0);
  const auto first_in_line = platform::connect_unix_socket(busy);
  REQUIRE(first_in_line.ok());
  run_processes(silent, {meets(silent, VMMC_ERR_SYSTEM, {silent, "no answer"}),
                         meets(rude, VMMC_ERR_NO_NICSIM, {rude}),
                         [&](Part&) {
                           be_alone();
                           ::setenv("VMMC_NICSIM", nicsim_binary().c_str(), 1);
                           std::string sentence;
                           EXPECT(init_at(rude, false, &sentence) == VMMC_ERR_NO_NICSIM);
                           EXPECT(mentions(sentence, rude));
                         },
                         meets(busy, VMMC_ERR_SYSTEM, {busy})});
}

TEST_CASE("the server of another user is a stranger") {
  const std::string socket = fresh_name();
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    ::alarm(60);
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(0);
    const auto listener = platform::listen_unix_socket(socket);
    if (!listener.ok()) ::_exit(1);
    (void)!::write(ready[1], "r", 1);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char byte = 0;
  const bool serves = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (serves) {
    run_processes(socket, {meets(socket, VMMC_ERR_STRANGER, {socket, "65534"})});
  } else {
    MESSAGE("cannot become another user here; not tested");
  }
  ::kill(stranger, SIGKILL);
  CHECK(::waitpid(stranger, nullptr, 0) == stranger);
}
