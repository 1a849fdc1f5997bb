// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the machine permits a program that checks nothing: a queue in memory that two processes share, written and
// read in place. Whoever waits looks, or sleeps on a futex.
#include <time.h>

#include <atomic>

#include "bench/rtz/port.h"
#include "bench/support/machine.h"
#include "bench/support/processes.h"
#include "platform/futex.h"

namespace vmmc::bench {
namespace {

constexpr std::uint32_t kSlots = 256;
constexpr std::uint32_t kSlotBytes = 64 * 1024;  // the longest message is shorter

// One direction. Whoever wants to sleep stores `sleeps`, then looks at `written` once more; whoever has
// written looks at `sleeps` afterwards.
struct Lane {
  alignas(64) std::atomic<std::uint32_t> written;  // messages, ever
  alignas(64) std::atomic<std::uint32_t> sleeps;   // the receiver
  alignas(64) std::atomic<std::uint32_t> read;     // messages
  alignas(64) std::uint32_t lengths[kSlots];
  alignas(4096) std::byte slots[kSlots][kSlotBytes];
};

class BarePort final : public Port {
 public:
  BarePort(Lane& out, Lane& in) : out_(out), in_(in) {}

  std::span<std::byte> prepare(std::size_t length) override {
    constexpr timespec kPause{0, 20'000};
    while (written_ - out_.read.load(std::memory_order_acquire) == kSlots)
      ::nanosleep(&kPause, nullptr);
    return std::span(out_.slots[written_ % kSlots]).first(length);
  }

  void send(std::size_t length) override {
    out_.lengths[written_ % kSlots] = static_cast<std::uint32_t>(length);
    out_.written.store(++written_, std::memory_order_seq_cst);
    if (out_.sleeps.load(std::memory_order_seq_cst) != 0) platform::futex_wake(out_.written, 1);
  }

  std::span<const std::byte> receive(std::uint64_t timeout) override {
    if (!is_there() && (timeout == 0 || !sleep(timeout))) return {};
    return std::span(in_.slots[read_ % kSlots]).first(in_.lengths[read_ % kSlots]);
  }
  void release() override { in_.read.store(++read_, std::memory_order_release); }

  std::string path() const override { return "memory"; }
  std::uint64_t own_misses() const override { return 0; }

 private:
  bool is_there() const { return in_.written.load(std::memory_order_seq_cst) != read_; }

  bool sleep(std::uint64_t timeout) {
    const std::uint64_t give_up = now() + timeout;
    in_.sleeps.store(1, std::memory_order_seq_cst);
    for (std::uint64_t time = now(); !is_there() && time < give_up; time = now())
      platform::futex_wait(in_.written, read_, give_up - time);
    in_.sleeps.store(0, std::memory_order_relaxed);
    return is_there();
  }

  Lane& out_;
  Lane& in_;
  std::uint32_t written_ = 0;
  std::uint32_t read_ = 0;
};

class BareLink final : public PortLink {
 public:
  std::unique_ptr<Port> open(const PortPlan& plan) override {
    return std::make_unique<BarePort>(*lanes_[plan.side], *lanes_[1 - plan.side]);
  }

 private:
  Shared<Lane> lanes_[2];
};

}  // namespace

std::unique_ptr<PortLink> make_bare_link() { return std::make_unique<BareLink>(); }

}  // namespace vmmc::bench
