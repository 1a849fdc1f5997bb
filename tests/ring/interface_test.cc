// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Rings of Linux interfaces: a veth pair in a network namespace of the test's own, nicsim included.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/ring/ring_run.h"

using namespace vmmc::testing;

namespace {

constexpr std::uint64_t kFrames = 20'000;

bool run(const char* command) { return std::system(command) == 0; }

// True: this process is in a namespace with the pair near/far; both are up.
bool make_interfaces() {
  static bool entered = ::unshare(CLONE_NEWNET) == 0;
  if (!entered) {
    MESSAGE("skipped: no network namespace can be made here");
    return false;
  }
  (void)run("ip link del near 2>/dev/null");
  const bool made =
      run("ip link add near type veth peer name far && "
          "sysctl -qw net.ipv6.conf.near.disable_ipv6=1 net.ipv6.conf.far.disable_ipv6=1 "
          "2>/dev/null; ip link set near up && ip link set far up");
  if (!made) MESSAGE("skipped: no veth pair can be made here");
  return made;
}

// For good; a change of the user would do, but not every namespace has a second one.
void lose_right_to_capture() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  EXPECT(::syscall(SYS_capget, &header, data) == 0);
  for (auto* const set : {&data[0].effective, &data[0].permitted, &data[0].inheritable}) {
    *set &= ~(1u << CAP_NET_RAW);
  }
  EXPECT(::syscall(SYS_capset, &header, data) == 0);
}

int socket_at(const char* interface) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  EXPECT(fd >= 0);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  EXPECT(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

void send_frame(int socket, std::uint64_t number, unsigned flow = 0) {
  const auto frame = numbered_frame(number, flow);
  while (::send(socket, frame.data(), frame.size(), 0) < 0) {
    EXPECT(errno == ENOBUFS || errno == EINTR);
    ::usleep(100);
  }
}

bool is_numbered(const vmmc_frame& frame) {
  const unsigned char* data = vmmc_frame_data(&frame);
  return frame.captured == kFrameBytes && data[12] == 8 && data[13] == 0;
}

vmmc_ring* open_interface(const char* name) {
  vmmc_ring_options options = VMMC_RING_DEFAULTS;
  vmmc_ring* ring = nullptr;
  EXPECT(vmmc_ring_open_interface(name, nullptr, 0, 1, &options, &ring) == VMMC_OK);
  return ring;
}

}  // namespace

TEST_CASE("S13.12 the frames of an interface, as they were sent") {
  if (!make_interfaces()) return;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  vmmc_ring* ring = open_interface("near");
                  std::uint32_t link_type = 0;
                  EXPECT(vmmc_ring_link_type(ring, &link_type) == VMMC_OK);
                  EXPECT(link_type == 1);
                  const int far = socket_at("far");
                  std::uint64_t read = 0;
                  for (std::uint64_t sent = 0; sent < kFrames; ++sent) {
                    send_frame(far, sent);
                    if (sent - read < 64) continue;  // never more than the kernel's ring can hold
                    for (; read <= sent;) {
                      const vmmc_frame* frame = nullptr;
                      EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                      if (!is_numbered(*frame)) continue;
                      EXPECT(number_of(*frame) == read);
                      const auto content = numbered_frame(read++);
                      EXPECT(std::memcmp(vmmc_frame_data(frame), content.data(), kFrameBytes) == 0);
                      EXPECT((frame->flags & VMMC_FRAME_OUTBOUND) == 0);
                      EXPECT(frame->dropped == 0);
                    }
                  }
                  EXPECT(counters_of(ring).source_dropped == 0);
                  // What leaves the interface is captured, too.
                  send_frame(socket_at("near"), 12345);
                  const vmmc_frame* frame = nullptr;
                  do {
                    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                  } while (!is_numbered(*frame) || number_of(*frame) != 12345);
                  EXPECT((frame->flags & VMMC_FRAME_OUTBOUND) != 0);
                }});
}

TEST_CASE("S13.12 a quiet interface uses no processor, here and in nicsim") {
  if (!make_interfaces()) return;
  NicsimProcess nicsim;
  run_processes(nicsim, {[&](Part&) {
                  attach();
                  vmmc_ring* ring = open_interface("near");
                  const vmmc_frame* frame = nullptr;
                  std::uint64_t here = 0;
                  std::uint64_t there = 0;
                  int status = VMMC_OK;
                  do {  // the kernel itself may send something at first
                    here = processor_ns(::getpid());
                    there = processor_ns(nicsim.pid());
                    status = vmmc_ring_next(ring, &frame, 1'000'000'000);
                    here = processor_ns(::getpid()) - here;
                    there = processor_ns(nicsim.pid()) - there;
                  } while (status == VMMC_OK);
                  EXPECT(status == VMMC_ERR_TIMEOUT);
                  std::fprintf(stderr, "ns in a second: %llu here, %llu in nicsim\n",
                               static_cast<unsigned long long>(here),
                               static_cast<unsigned long long>(there));
                  EXPECT(here < 50'000'000);
                  EXPECT(there < 50'000'000);
                }});
}

TEST_CASE("S13.12 the kernel's filter decides what comes") {
  if (!make_interfaces()) return;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  // Ethernet type IPv4, and the last byte of the source address is 3.
                  const sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
                                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 3),
                                                BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 29),
                                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 1),
                                                BPF_STMT(BPF_RET | BPF_K, 0x40000),
                                                BPF_STMT(BPF_RET | BPF_K, 0)};
                  vmmc_ring* ring = nullptr;
                  const sock_filter nonsense[] = {
                      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12)};  // it does not return
                  EXPECT(vmmc_ring_open_interface("near", nonsense, 1, 1, nullptr, &ring) ==
                         VMMC_ERR_INVALID_ARGUMENT);
                  EXPECT(vmmc_ring_open_interface("near", filter, 5000, 1, nullptr, &ring) ==
                         VMMC_ERR_INVALID_ARGUMENT);
                  EXPECT(vmmc_ring_open_interface("near", filter, 6, 1, nullptr, &ring) == VMMC_OK);
                  const int far = socket_at("far");
                  for (std::uint64_t i = 0; i < 40; ++i)
                    send_frame(far, i, static_cast<unsigned>(i % 4));
                  for (std::uint64_t i = 3; i < 40; i += 4) {
                    const vmmc_frame* frame = nullptr;
                    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                    EXPECT(number_of(*frame) == i);
                  }
                }});
}

TEST_CASE("S13.12 an interface that does not exist, and a process that may not capture") {
  if (!make_interfaces()) return;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  vmmc_ring* ring = nullptr;
                  EXPECT(vmmc_ring_open_interface("nothere", nullptr, 0, 1, nullptr, &ring) ==
                         VMMC_ERR_BAD_FRAME_SOURCE);
                  EXPECT(std::strstr(vmmc_last_error(), "nothere") != nullptr);
                  EXPECT(vmmc_ring_open_interface(nullptr, nullptr, 0, 1, nullptr, &ring) ==
                         VMMC_ERR_INVALID_ARGUMENT);
                  lose_right_to_capture();
                  EXPECT(vmmc_ring_open_interface("near", nullptr, 0, 1, nullptr, &ring) ==
                         VMMC_ERR_PERMISSION_DENIED);
                  EXPECT(std::strstr(vmmc_last_error(), "CAP_NET_RAW") != nullptr);
                }});
}

TEST_CASE("S13.12 an interface that goes in mid-capture: its frames, and then the error") {
  if (!make_interfaces()) return;
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  vmmc_ring* ring = open_interface("near");
                  const int far = socket_at("far");
                  for (std::uint64_t i = 0; i < 10; ++i) send_frame(far, i);
                  const vmmc_frame* frame = nullptr;
                  std::uint64_t expected = 0;
                  const auto look = [&] {
                    if (is_numbered(*frame)) EXPECT(number_of(*frame) == expected++);
                  };
                  while (expected < 5) {
                    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                    look();
                  }
                  EXPECT(run("ip link del near"));
                  int status = VMMC_OK;
                  while ((status = vmmc_ring_next(ring, &frame, kPatience)) == VMMC_OK) look();
                  EXPECT(status == VMMC_ERR_FRAME_SOURCE_GONE);
                  EXPECT(vmmc_ring_close(ring) == VMMC_OK);
                }});
}
