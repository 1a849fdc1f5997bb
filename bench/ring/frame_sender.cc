// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "bench/ring/network.h"
#include "bench/support/machine.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kStep = 100'000;  // ns that a batch stands for

std::uint64_t sum_of_number(std::uint64_t number) {
  std::uint64_t sum = 0;
  for (; number != 0; number >>= 8) sum += number & 0xff;
  return sum;
}

}  // namespace

FrameSender::FrameSender(const std::string& interface, std::uint32_t bytes)
    : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)),
      bytes_(bytes),
      frames_(kMostAtATime * bytes) {
  if (socket_ < 0) fail_by_errno("a packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  const int on = 1;
  if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::setsockopt(socket_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) {
    fail_by_errno(interface);
  }
  for (std::size_t i = 0; i < kMostAtATime; ++i) {
    write_frame(&frames_[i * bytes], bytes);
    number_frame(&frames_[i * bytes], 0);
  }
  sum_without_number_ = sum_of_first_line(frames_.data());
}

FrameSender::~FrameSender() { ::close(socket_); }

FrameSender::Sent FrameSender::send(std::uint64_t rate, std::uint64_t duration) {
  const std::size_t in_step =
      rate == 0 ? kMostAtATime
                : std::clamp<std::size_t>(rate * kStep / 1'000'000'000, 1, kMostAtATime);
  const std::uint64_t step = rate == 0 ? 0 : in_step * 1'000'000'000 / rate;
  Sent sent;
  const std::uint64_t start = now();
  std::uint64_t due = start;
  while (now() - start < duration) {
    send_batch(in_step, sent);
    due += step;
    while (now() < due) __builtin_ia32_pause();
  }
  sent.duration = now() - start;
  return sent;
}

void FrameSender::send_batch(std::size_t count, Sent& sent) {
  mmsghdr messages[kMostAtATime] = {};
  iovec pieces[kMostAtATime];
  for (std::size_t i = 0; i < count; ++i) {
    pieces[i] = {&frames_[i * bytes_], bytes_};
    number_frame(&frames_[i * bytes_], next_number_ + i);
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t before = now();
    const int taken = ::sendmmsg(socket_, messages + done, static_cast<unsigned>(count - done), 0);
    sent.in_calls += now() - before;
    if (taken < 0) {
      if (errno != ENOBUFS && errno != EAGAIN) fail_by_errno("sendmmsg");
      ++sent.refused;
      ++done;
      continue;
    }
    for (int i = 0; i < taken; ++i, ++done)
      sent.sum += sum_without_number_ + sum_of_number(next_number_ + done);
    sent.frames += static_cast<std::uint64_t>(taken);
  }
  next_number_ += count;
}

}  // namespace vmmc::bench
