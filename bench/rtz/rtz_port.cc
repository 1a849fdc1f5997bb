// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC's real-time datagrams: a channel for each direction.
#include <time.h>

#include <algorithm>

#include "bench/rtz/port.h"
#include "bench/support/processes.h"
#include "vmmc/rtz.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {
namespace {

constexpr std::uint32_t kChannelId = 1;
constexpr std::uint32_t kDepth = 128;
constexpr std::uint32_t kPacketsInPeriod = 64;          // so much may be made up for at once
constexpr std::uint64_t kNoPagePause = 20'000;          // ns
constexpr std::uint64_t kOpenTimeout = 10'000'000'000;  // ns

// Who makes up for a stall must not look to the scheduler like somebody who computes.
void sleep_for(std::uint64_t ns) {
  const timespec time{static_cast<time_t>(ns / 1'000'000'000),
                      static_cast<long>(ns % 1'000'000'000)};
  ::nanosleep(&time, nullptr);
}

void must(int status, const char* what) {
  if (status != VMMC_OK) fail(what, vmmc_last_error());
}

class RtzPort final : public Port {
 public:
  RtzPort(const PortPlan& plan, int executor) : longest_(plan.longest) {
    vmmc_init_options init = VMMC_INIT_DEFAULTS;
    init.node = static_cast<std::uint32_t>(plan.side);
    init.process = plan.vmmc_process[plan.side];
    init.never_start = 1;
    must(vmmc_init(&init), "vmmc_init");
    const auto other = static_cast<std::uint32_t>(1 - plan.side);
    const std::uint32_t messages = std::max(kPacketsInPeriod / packets_of(plan.longest), 1u);
    const vmmc_rtz_budget budget{
        .messages = messages,
        .period = std::uint64_t{messages} * 1'000'000'000 / plan.budget_per_s[other],
        .longest = plan.longest,
        .deadline = plan.deadline};
    vmmc_rtz_options options = VMMC_RTZ_DEFAULTS;
    options.depth = kDepth;
    options.executor = executor;
    must(vmmc_rtz_open(kChannelId, &budget, &options, &incoming_), "vmmc_rtz_open");
    must(vmmc_rtz_connect({other, plan.vmmc_process[other]}, kChannelId, kOpenTimeout, &outgoing_),
         "vmmc_rtz_connect");
  }
  ~RtzPort() override {
    (void)vmmc_rtz_close(outgoing_);
    (void)vmmc_rtz_close(incoming_);
    (void)vmmc_finalize();
  }
  RtzPort(const RtzPort&) = delete;
  RtzPort& operator=(const RtzPort&) = delete;

  std::span<std::byte> prepare(std::size_t length) override {
    int status = VMMC_OK;
    while (prepared_ == nullptr) {
      status = vmmc_rtz_acquire(outgoing_, longest_, &prepared_);
      if (status == VMMC_ERR_NO_PAGE) {
        sleep_for(kNoPagePause);
      } else {
        must(status, "vmmc_rtz_acquire");
      }
    }
    return {static_cast<std::byte*>(prepared_), length};
  }

  void send(std::size_t length) override {
    int status = vmmc_rtz_send(outgoing_, prepared_, length, 0);
    for (; status == VMMC_ERR_OVER_BUDGET;
         status = vmmc_rtz_send(outgoing_, prepared_, length, 0)) {
      std::uint64_t wait = 0;
      must(vmmc_rtz_next_send(outgoing_, &wait), "vmmc_rtz_next_send");
      sleep_for(wait);
    }
    must(status, "vmmc_rtz_send");
    prepared_ = nullptr;
  }

  std::span<const std::byte> receive(std::uint64_t timeout) override {
    const int status = vmmc_rtz_receive(incoming_, &datagram_, timeout);
    if (status == VMMC_ERR_TIMEOUT) return {};
    must(status, "vmmc_rtz_receive");
    return {static_cast<const std::byte*>(datagram_.data), datagram_.length};
  }
  void release() override { must(vmmc_rtz_return(incoming_, &datagram_), "vmmc_rtz_return"); }

  std::string path() const override {
    return counters().executor == VMMC_EXECUTOR_NIC ? "nic" : "host";
  }
  std::uint64_t own_misses() const override { return counters().deadline_misses; }

 private:
  vmmc_rtz_counters counters() const {
    vmmc_rtz_counters counters{};
    must(vmmc_rtz_get_counters(incoming_, &counters), "vmmc_rtz_get_counters");
    return counters;
  }

  std::size_t longest_;
  vmmc_rtz_channel* incoming_ = nullptr;
  vmmc_rtz_channel* outgoing_ = nullptr;
  void* prepared_ = nullptr;
  vmmc_rtz_datagram datagram_{};
};

class RtzLink final : public PortLink {
 public:
  explicit RtzLink(int executor) : executor_(executor) {}
  std::unique_ptr<Port> open(const PortPlan& plan) override {
    return std::make_unique<RtzPort>(plan, executor_);
  }

 private:
  int executor_;
};

}  // namespace

std::unique_ptr<PortLink> make_rtz_link(int executor) {
  return std::make_unique<RtzLink>(executor);
}

}  // namespace vmmc::bench
