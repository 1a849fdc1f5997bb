// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's side of one channel inside a test program: nicsim's own view of the channel, an engine
// that does what the test says with each descriptor, and the same way to park, sleep and wake.
//
// Both sides use one mapping, so that the thread sanitizer sees every access of either.
//
// Threads and processes
//   By hand: serve() and park() by one thread. Or start() ... stop(): a thread of its own, all
//   signals blocked. The client's side may be used by any thread.
#pragma once

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <utility>

#include "nicsim/channel_view.h"
#include "platform/adaptive_wait.h"
#include "platform/file_descriptor.h"
#include "platform/shared_memory.h"

namespace vmmc::internal::testing {

class LocalNicsim {
 public:
  // Carries out the descriptor with this ticket and says what became of it.
  using Carry = std::function<wire::Status(std::uint64_t ticket, const nicsim::DescriptorCopy&)>;

  explicit LocalNicsim(Carry carry) : carry_(std::move(carry)) {
    auto file = platform::create_shared_memory("channel", wire::kChannelBytes);
    auto mapping = platform::SharedMapping::map(file.value().get(), wire::kChannelBytes);
    channel_ = reinterpret_cast<wire::Channel*>(mapping.value().data());
    view_ = nicsim::ChannelView(std::move(mapping.value()));
  }
  ~LocalNicsim() { stop(); }
  LocalNicsim(const LocalNicsim&) = delete;
  LocalNicsim& operator=(const LocalNicsim&) = delete;

  wire::Channel& channel() { return *channel_; }
  int doorbell() const { return doorbell_.get(); }
  nicsim::ChannelView& view() { return view_; }
  std::uint64_t sleeps() const { return sleeps_.load(); }

  // Up to `most` descriptors, then wakes the client, as the engine does. How many there were.
  std::uint64_t serve(std::uint64_t most) {
    std::uint64_t served = 0;
    nicsim::DescriptorCopy descriptor;
    for (; served < most && view_.take(descriptor); ++served) {
      view_.complete(carry_(view_.completed(), descriptor));
    }
    if (served == 0) return 0;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    view_.wake_if_armed();
    return served;
  }

  // A thread that serves in irregular shares and sleeps whenever it finds nothing `patience` times.
  void start(std::uint32_t seed, std::uint32_t patience = 20) {
    stopping_ = false;
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this, seed, patience] { run(seed, patience); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  // Serves what has been published, and ends the thread.
  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    ring();
    thread_.join();
  }

 private:
  void run(std::uint32_t seed, std::uint32_t patience) {
    std::mt19937 random(seed);
    for (std::uint32_t quiet = 0;;) {
      if (serve(1 + random() % 16) > 0) {
        quiet = 0;
        if (random() % 256 == 0) ::usleep(random() % 4000);  // clients may fill the queue
        continue;
      }
      if (stopping_) return;
      if (++quiet < patience) {
        platform::pause_processor();
      } else if (view_.park()) {
        sleep();
        view_.unpark();
        quiet = 0;
      }
    }
  }

  void sleep() {
    ++sleeps_;
    std::uint64_t rings = 0;
    (void)!::read(doorbell_.get(), &rings, sizeof rings);
  }

  void ring() {
    const std::uint64_t one = 1;
    (void)!::write(doorbell_.get(), &one, sizeof one);
  }

  const Carry carry_;
  platform::FileDescriptor doorbell_{::eventfd(0, EFD_CLOEXEC)};
  nicsim::ChannelView view_;
  wire::Channel* channel_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> sleeps_{0};
  std::thread thread_;
};

}  // namespace vmmc::internal::testing
