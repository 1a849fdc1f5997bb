// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One attachment to nicsim: everything that a process has from vmmc_init to vmmc_finalize. Wires
// the parts together and holds no rules of its own.
//
// Threads and processes
//   Made and detached by one thread; in between any thread uses any part, each by its own rules.
//   The memory shared with nicsim is not inherited by forked children.
//
// What a crash at any instruction leaves behind: nothing; nicsim sees the hang-up.
#pragma once

#include <atomic>
#include <memory>

#include "nicsim/wire/channel.h"
#include "platform/shared_memory.h"
#include "vmmc/internal/automatic/automatic_update.h"
#include "vmmc/internal/automatic/trap/trap_store_capture.h"
#include "vmmc/internal/control_connection.h"
#include "vmmc/internal/deliberate_update.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/exports.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/imports.h"
#include "vmmc/internal/meeting.h"
#include "vmmc/internal/memory/registration_cache.h"
#include "vmmc/internal/memory/shared_segments.h"
#include "vmmc/internal/nicsim_bindings.h"
#include "vmmc/internal/nicsim_segments.h"
#include "vmmc/internal/notifications/notifications.h"
#include "vmmc/internal/real_time/channels.h"
#include "vmmc/internal/redirections.h"
#include "vmmc/internal/remote_access.h"
#include "vmmc/internal/rings/rings.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/waiter.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Attachment {
 public:
  // As vmmc_init.
  static int attach(const vmmc_init_options& options, std::unique_ptr<Attachment>& attachment);

  // Delivers what was sent and gives everything back. The first failure, as vmmc_finalize.
  int detach();

  vmmc_identity self() const { return self_; }
  std::uint32_t nodes() const { return nodes_; }
  Waiter& waiter() { return waiter_; }
  const SharedSegments& segments() const { return segments_; }
  Exports& exports() { return exports_; }
  Imports& imports() { return imports_; }
  RegistrationCache& registrations() { return registrations_; }
  Notifications& notifications() { return notifications_; }
  Redirections& redirections() { return redirections_; }
  DeliberateUpdate& deliberate_update() { return deliberate_update_; }
  RealTimeChannels& real_time_channels() { return real_time_channels_; }
  RemoteAccess& remote_access() { return remote_access_; }
  Completion& completion() { return completion_; }
  AutomaticUpdate& automatic_update() { return automatic_update_; }
  Rings& rings() { return rings_; }
  HostExecutor& host_executor() { return host_; }
  const HostExecutor& host_executor() const { return host_; }

  SendQueue& queue() { return queue_; }

  // As vmmc_fence.
  int fence();

  int allocate(std::size_t length, void** memory);
  int free(void* memory);
  void read_counters(vmmc_counters& counters);
  void set_wait_strategy(vmmc_wait_strategy strategy) {
    strategy_.store(strategy, std::memory_order_relaxed);
  }

  void before_fork();
  void after_fork_in_parent();
  // Gives the child private memory and closes its descriptors. The object is not used any more, and
  // never destroyed: its end would undo what the parent still has.
  void abandon_in_child();

 private:
  // What the environment says.
  struct Settings {
    vmmc_wait_strategy strategy = VMMC_WAIT_ADAPTIVE;
    vmmc_executor executor = VMMC_EXECUTOR_AUTO;
  };
  static int read_environment(Settings* settings);

  Attachment(const vmmc_init_options& options, const Settings& settings, Meeting meeting,
             platform::SharedMapping channel, std::unique_ptr<DestinationSpace> space);

  void refuse_notifications();

  wire::Channel& channel() const {
    return *reinterpret_cast<wire::Channel*>(channel_mapping_.data());
  }

  const vmmc_identity self_;
  const std::uint32_t nodes_;
  const bool simulated_;
  const bool recorded_;
  platform::SharedMapping channel_mapping_;
  platform::FileDescriptor doorbell_;
  std::atomic<vmmc_wait_strategy> strategy_{VMMC_WAIT_ADAPTIVE};
  Waiter waiter_;
  Notifications notifications_;
  const std::unique_ptr<DestinationSpace> space_;
  RealTimeChannels real_time_channels_;  // the connection's thread tells it of the end
  ControlConnection connection_;         // its thread uses the waiter and the notifications
  Rings rings_;
  SendQueue queue_;
  NicsimSegments nicsim_segments_;
  SharedSegments segments_;
  RegistrationCache registrations_;
  Redirections redirections_;
  Exports exports_;
  HostExecutor host_;
  Imports imports_;
  Admission admission_;
  Completion completion_;
  DeliberateUpdate deliberate_update_;
  RemoteAccess remote_access_;
  TrapStoreCapture capture_;
  NicsimBindings nicsim_bindings_;
  AutomaticUpdate automatic_update_;
};

}  // namespace vmmc::internal
