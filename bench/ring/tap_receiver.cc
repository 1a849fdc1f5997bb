// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// read() of a tap: one frame for each system call. What is sent on the interface comes out here.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bench/ring/network.h"
#include "bench/ring/receiver.h"
#include "bench/support/processes.h"

namespace vmmc::bench {
namespace {

class TapReceiver final : public Receiver {
 public:
  TapReceiver(int device, std::string interface)
      : device_(device), interface_(std::move(interface)), dropped_before_(dropped()) {}
  ~TapReceiver() override { ::close(device_); }
  TapReceiver(const TapReceiver&) = delete;
  TapReceiver& operator=(const TapReceiver&) = delete;

  bool drain(Tally& tally, std::uint64_t timeout) override {
    if (!take(tally)) {
      pollfd poll{device_, POLLIN, 0};
      (void)::poll(&poll, 1, static_cast<int>(timeout / 1'000'000));
      ++waits_;
    }
    while (take(tally)) continue;
    return true;
  }

  Losses losses() override { return {.frames = dropped() - dropped_before_, .waits = waits_}; }

 private:
  bool take(Tally& tally) {
    const ssize_t length = ::read(device_, frame_, sizeof frame_);
    if (length < 0 && errno != EAGAIN && errno != EINTR) fail_by_errno("read of the tap");
    if (length <= 0) return false;
    tally.add(frame_, static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(length));
    return true;
  }

  // What found the queue of the interface full.
  std::uint64_t dropped() const { return interface_drops(interface_).sending; }

  int device_;
  std::string interface_;
  std::uint64_t dropped_before_;
  std::uint64_t waits_ = 0;
  unsigned char frame_[kSnapLength];
};

}  // namespace

std::unique_ptr<Receiver> open_tap(const std::string& interface) {
  const int device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) fail_by_errno("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  if (::ioctl(device, TUNSETIFF, &request) != 0) fail_by_errno("TUNSETIFF");
  return std::make_unique<TapReceiver>(device, interface);
}

}  // namespace vmmc::bench
