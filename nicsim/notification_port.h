// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's side of the notification queue of one process: puts notifications in, wakes the client,
// and learns when there is room again.
//
// Threads and processes
//   Used by nicsim's one thread. The client changes its half of the queue at any time: `consumed`
//   is believed only to say whether there is room, and a client that lies about it loses
//   notifications of its own.
//
// Invariants
//   Notifications reach the queue in the order in which they were given to post() and keep().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "nicsim/channel_view.h"
#include "platform/file_descriptor.h"

namespace vmmc::nicsim {

class NotificationPort {
 public:
  explicit NotificationPort(ChannelView& channel) : channel_(channel) {}

  // The writing end, non-blocking, of the pipe that the client sleeps on.
  void set_pipe(platform::FileDescriptor pipe) { pipe_ = std::move(pipe); }

  // False if there is no room: then the client has been asked to ring its doorbell when there is.
  bool post(const wire::Notification& notification);

  // Keeps one that finds no room until there is: for the time in which a client waits for nicsim and
  // so cannot make room. False if too many are kept already, and this one is lost: by no single
  // unexport of ordinary programs, but clients that work together could have any number kept.
  bool keep(const wire::Notification& notification);
  static constexpr std::size_t kMaxKept = 65536;

  // The client may have made room: brings in what was kept. Whether there was any for which there was room.
  bool refill();

  bool has_room() const;
  // In the queue and not taken out, as far as the client says so; and kept besides.
  std::uint64_t queued() const;
  std::size_t kept() const { return kept_.size(); }
  std::uint64_t waiting() const { return queued() + kept(); }

 private:
  bool put(const wire::Notification& notification);
  bool put_or_ask(const wire::Notification& notification);
  bool ask_for_room();
  void wake();

  ChannelView& channel_;
  platform::FileDescriptor pipe_;
  std::uint64_t produced_ = 0;  // ours alone, never read back from shared memory
  std::deque<wire::Notification> kept_;
};

}  // namespace vmmc::nicsim
