// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Traffic for the tests of vmmcdump, numbered from 0.
//
//   send_traffic frames IFACE COUNT PORT [VLAN]  UDP frames to PORT, by a packet socket
//   send_traffic transfers COUNT                 deliberate updates of 16 bytes to itself
//
// `transfers` says "ready" when it is attached, and begins when a line comes from standard input.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "vmmc/vmmc.h"

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "send_traffic: %s: %s %s\n", what, std::strerror(errno), vmmc_last_error());
  std::exit(1);
}

void put(std::vector<unsigned char>& frame, std::initializer_list<unsigned> bytes) {
  for (const unsigned byte : bytes) frame.push_back(static_cast<unsigned char>(byte));
}

// Ethernet, IPv4 10.0.0.1 > 10.0.0.2, UDP 4000 > port, and 32 bytes that begin with the number in decimal.
std::vector<unsigned char> udp_frame(unsigned number, unsigned port, int vlan) {
  std::vector<unsigned char> frame;
  put(frame, {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1});
  if (vlan >= 0)
    put(frame, {0x81, 0, static_cast<unsigned>(vlan) >> 8, static_cast<unsigned>(vlan)});
  put(frame, {8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2});
  put(frame, {4000 >> 8, 4000 & 255, port >> 8, port, 0, 40, 0, 0});
  char text[33];
  std::snprintf(text, sizeof text, "%-32u", number);
  frame.insert(frame.end(), text, text + 32);
  return frame;
}

int send_frames(const char* interface, unsigned count, unsigned port, int vlan) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  require(fd >= 0, "socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  require(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  for (unsigned i = 0; i < count; ++i) {
    const auto frame = udp_frame(i, port, vlan);
    while (::send(fd, frame.data(), frame.size(), 0) < 0) {
      require(errno == ENOBUFS || errno == EINTR, "send");
      ::usleep(100);
    }
  }
  ::close(fd);
  return 0;
}

int send_transfers(unsigned count) {
  require(vmmc_init(nullptr) == VMMC_OK, "vmmc_init");
  void* memory = nullptr;
  void* proxy = nullptr;
  require(vmmc_alloc(4096, &memory) == VMMC_OK, "vmmc_alloc");
  require(vmmc_export(memory, 4096, 7, nullptr) == VMMC_OK, "vmmc_export");
  require(vmmc_import(vmmc_self(), 7, nullptr, &proxy, nullptr) == VMMC_OK, "vmmc_import");
  std::printf("ready\n");
  std::fflush(stdout);
  char line[16];
  if (std::fgets(line, sizeof line, stdin) != nullptr) {
    for (unsigned i = 0; i < count; ++i) {
      char text[32];
      std::snprintf(text, sizeof text, "payload %08u", i);
      require(vmmc_send(text, static_cast<char*>(proxy) + 64, 16) == VMMC_OK, "vmmc_send");
      require(vmmc_fence() == VMMC_OK, "vmmc_fence");
    }
    std::printf("sent\n");
    std::fflush(stdout);
    (void)!std::fgets(line, sizeof line, stdin);
  }
  require(vmmc_finalize() == VMMC_OK, "vmmc_finalize");
  return 0;
}

unsigned number(const char* text) { return static_cast<unsigned>(std::strtoul(text, nullptr, 10)); }

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 5 && std::strcmp(argv[1], "frames") == 0) {
    return send_frames(argv[2], number(argv[3]), number(argv[4]),
                       argc > 5 ? static_cast<int>(number(argv[5])) : -1);
  }
  if (argc == 3 && std::strcmp(argv[1], "transfers") == 0) return send_transfers(number(argv[2]));
  std::fprintf(stderr, "send_traffic: what?\n");
  return 2;
}
