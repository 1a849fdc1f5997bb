// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/rings/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "platform/system_calls.h"
#include "vmmc/internal/error.h"

namespace vmmc::internal {
namespace {

constexpr std::size_t kMostInstructions = 4096;  // the kernel's BPF_MAXINSNS

int attach_filter(int socket, std::span<const sock_filter> filter) {
  if (filter.empty()) return VMMC_OK;
  if (filter.size() > kMostInstructions) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "a filter of %zu instructions; at most %zu",
                filter.size(), kMostInstructions);
  }
  // The kernel copies the instructions.
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0) {
    return VMMC_OK;
  }
  if (errno == EINVAL) {
    return fail(VMMC_ERR_INVALID_ARGUMENT, "the kernel does not take this filter");
  }
  return fail_system("cannot attach the filter",
                     platform::last_system_error("setsockopt(SO_ATTACH_FILTER)"));
}

int bind_to(int socket, int interface_index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = interface_index;
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_system("cannot capture from the interface", platform::last_system_error("bind"));
  }
  if (interface_index == 0) return VMMC_OK;
  packet_mreq membership{};
  membership.mr_ifindex = interface_index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (::setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) !=
      0) {
    return fail_system("cannot make the interface promiscuous",
                       platform::last_system_error("setsockopt(PACKET_ADD_MEMBERSHIP)"));
  }
  return VMMC_OK;
}

}  // namespace

int open_packet_socket(const char* interface, std::span<const sock_filter> filter,
                       platform::FileDescriptor* socket) {
  const bool all = *interface == '\0';
  const unsigned index = all ? 0 : ::if_nametoindex(interface);
  if (!all && index == 0) {
    return fail(VMMC_ERR_BAD_FRAME_SOURCE, "there is no interface \"%.32s\" here", interface);
  }
  // Protocol 0: nothing is received until it is bound, when the filter is there.
  platform::FileDescriptor made(
      platform::system_calls().socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.valid() && errno == EPERM) {
    return fail(VMMC_ERR_PERMISSION_DENIED,
                "capturing from an interface needs CAP_NET_RAW in its network namespace");
  }
  if (!made.valid()) {
    return fail_system("cannot make a packet socket", platform::last_system_error("socket"));
  }
  if (const int status = attach_filter(made.get(), filter); status != VMMC_OK) return status;
  if (const int status = bind_to(made.get(), static_cast<int>(index)); status != VMMC_OK) {
    return status;
  }
  *socket = std::move(made);
  return VMMC_OK;
}

}  // namespace vmmc::internal
