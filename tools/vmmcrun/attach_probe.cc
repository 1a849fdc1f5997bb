// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A rank for vmmcrun's tests: attaches to the job's nicsim as the identity that vmmcrun has given
// it and prints which one nicsim has granted. Waits for a signal after that if it has an argument.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "nicsim/wire/control.h"
#include "platform/unix_socket.h"

namespace {

using namespace vmmc;

std::uint32_t number(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? 0 : static_cast<std::uint32_t>(std::atoi(value));
}

bool attach(int socket, wire::AttachReply& reply) {
  const wire::AttachRequest request{
      {wire::kMagic, wire::kVersion, wire::MessageType::kAttach, 1, wire::Status::kOk},
      number("VMMC_NODE"),
      number("VMMC_PROCESS"),
      0,
      0,
      0};
  if (!platform::send_message(socket, std::as_bytes(std::span(&request, 1))).ok()) return false;
  std::array<std::byte, wire::kMaxMessageBytes> buffer;
  const auto received = platform::receive_message(socket, buffer);
  if (!received.ok() || received.value().bytes != sizeof reply) return false;
  std::memcpy(&reply, buffer.data(), sizeof reply);
  return reply.header.status == wire::Status::kOk;
}

}  // namespace

int main(int argc, char**) {
  const char* name = std::getenv("VMMC_SOCKET");
  const auto socket = platform::connect_unix_socket(name == nullptr ? "" : name);
  if (!socket.ok()) {
    std::fprintf(stderr, "%s: %s\n", socket.error().call, std::strerror(socket.error().number));
    return 1;
  }
  wire::AttachReply reply{};
  if (!attach(socket.value().get(), reply)) {
    std::fprintf(stderr, "nicsim refuses the attachment\n");
    return 2;
  }
  std::printf("process %u on node %u of %u\n", reply.process, reply.node, reply.nodes);
  std::fflush(stdout);
  if (argc > 1) ::pause();
}
