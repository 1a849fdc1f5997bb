// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/rings/packet_socket.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "vmmc/internal/error.h"

using namespace vmmc::internal;
using vmmc::platform::FileDescriptor;

namespace {

bool may_capture() {
  const FileDescriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!socket.valid()) MESSAGE("skipped: no CAP_NET_RAW here");
  return socket.valid();
}

}  // namespace

TEST_CASE("an interface that does not exist is named") {
  FileDescriptor socket;
  CHECK(open_packet_socket("nothere0", {}, &socket) == VMMC_ERR_BAD_FRAME_SOURCE);
  CHECK(std::string(last_error()).find("\"nothere0\"") != std::string::npos);
  CHECK_FALSE(socket.valid());
}

TEST_CASE("a socket is bound to its interface, or to all") {
  if (!may_capture()) return;
  for (const char* name : {"lo", ""}) {
    FileDescriptor socket;
    REQUIRE(open_packet_socket(name, {}, &socket) == VMMC_OK);
    sockaddr_ll address{};
    socklen_t length = sizeof address;
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    CHECK(address.sll_protocol == htons(ETH_P_ALL));
    CHECK(static_cast<unsigned>(address.sll_ifindex) == ::if_nametoindex(name));
  }
}

TEST_CASE("a filter that the kernel does not take") {
  if (!may_capture()) return;
  FileDescriptor socket;
  const std::vector<sock_filter> endless(5000, sock_filter BPF_STMT(BPF_RET | BPF_K, 0));
  CHECK(open_packet_socket("lo", endless, &socket) == VMMC_ERR_INVALID_ARGUMENT);
  const sock_filter unfinished[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12)};
  CHECK(open_packet_socket("lo", unfinished, &socket) == VMMC_ERR_INVALID_ARGUMENT);
  const sock_filter sound[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  CHECK(open_packet_socket("lo", sound, &socket) == VMMC_OK);
}

TEST_CASE("without CAP_NET_RAW the sentence says what is missing") {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(0);
    FileDescriptor socket;
    const int status = open_packet_socket("", {}, &socket);
    ::_exit(status == VMMC_ERR_PERMISSION_DENIED &&
                    std::strstr(last_error(), "CAP_NET_RAW") != nullptr
                ? 0
                : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
