// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The real-time channels of this process: opened, connected and closed over the control connection.
//
// Threads and processes
//   Any thread; nobody holds the lock while nicsim is asked. announce_end() runs in the control
//   connection's thread. In a forked child only abandon_in_child() is called.
//
// Invariants
//   A channel that has a name is in the list; its memory is mapped until it is taken out.
//
// What a crash at any instruction leaves behind
//   nicsim sees the hang-up and closes what the process had.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/real_time/channel_part.h"
#include "vmmc/internal/real_time/channel_table.h"
#include "vmmc/internal/real_time/channel_views.h"
#include "vmmc/rtz.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class RealTimeChannels {
 public:
  // `usual`: what VMMC_EXECUTOR_AUTO stands for. The connection is used when it has started.
  RealTimeChannels(ControlConnection& connection, NicDoorbell doorbell, bool simulated,
                   vmmc_executor usual);
  ~RealTimeChannels();

  // As the functions of vmmc/rtz.h, whose pointers are not null.
  int open(std::uint32_t id, const vmmc_rtz_budget& budget, const vmmc_rtz_options& options,
           vmmc_rtz_channel** channel);
  int connect(vmmc_identity receiver, std::uint32_t id, std::uint64_t timeout,
              vmmc_rtz_channel** channel);
  int close(vmmc_rtz_channel* channel);

  void close_all();
  // nicsim has gone: the next call of whoever sends or receives says so. The receivers' bells are rung, so that
  // those wake who sleep, or poll a channel's descriptor.
  void announce_end();
  // Async-signal-safe.
  void abandon_in_child();

 private:
  struct Channel;
  using Reply = ControlConnection::Reply;

  int add(std::unique_ptr<Channel> channel, vmmc_rtz_channel** name);
  void give_up(std::uint32_t handle);

  ControlConnection& connection_;
  const NicDoorbell doorbell_;
  const bool simulated_;
  const vmmc_executor usual_;
  std::atomic<bool> gone_{false};
  std::mutex mutex_;
  std::map<vmmc_rtz_channel*, std::unique_ptr<Channel>> channels_;
};

}  // namespace vmmc::internal
