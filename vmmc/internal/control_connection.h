// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The control connection to nicsim: requests go out, and one thread receives the replies and brings
// them to whoever waits.
//
// Threads and processes
//   Any thread posts and waits. The receiving thread has all signals blocked and sleeps in the
//   kernel. A fork leaves the child with a connection that it must not use.
//
// Invariants
//   Each posted request gets its reply, or all who wait are told that nicsim has gone: a hang-up, a
//   reply that makes no sense and a failed receive are the same here.
//   A reply is kept until it is taken or forgotten.
//
// What a crash at any instruction leaves behind
//   The kernel hangs up; nicsim then forgets the process.
#pragma once

#include <array>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "nicsim/wire/control.h"
#include "platform/file_descriptor.h"
#include "platform/result.h"
#include "platform/unix_socket.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class ControlConnection {
 public:
  // A reply of any type. A refusal may be shorter than the type's full reply: the rest reads as 0.
  class Reply {
   public:
    // The descriptors that came along, by place; not valid if none did, or if it was lost.
    platform::FileDescriptor take_descriptor(std::size_t place = 0) {
      return std::move(descriptors_[place]);
    }
    // Not all that nicsim has sent are here: this process cannot have more descriptors.
    bool descriptors_lost() const { return descriptors_lost_; }
    wire::Status status() const { return as<wire::PlainReply>().header.status; }
    template <typename T>
    T as() const {
      static_assert(sizeof(T) <= kBytes);
      T reply;
      std::memcpy(&reply, bytes_.data(), sizeof reply);
      return reply;
    }

   private:
    friend class ControlConnection;
    static constexpr std::size_t kBytes = sizeof(wire::ListImportersReply);  // the longest
    std::array<std::byte, kBytes> bytes_{};
    std::array<platform::FileDescriptor, platform::kMaxPassedDescriptors> descriptors_;
    bool descriptors_lost_ = false;
  };

  // `socket` has attached already.
  explicit ControlConnection(platform::FileDescriptor socket) : socket_(std::move(socket)) {}
  // Hangs up and waits for the receiving thread.
  ~ControlConnection();
  ControlConnection(const ControlConnection&) = delete;
  ControlConnection& operator=(const ControlConnection&) = delete;

  // Starts the receiving thread. It calls `on_end` once, when nicsim has gone or this object ends.
  std::optional<platform::SystemError> start(std::function<void()> on_end);

  // Sends a request, whose header is filled in here; `bytes` of it if it is of variable size.
  // VMMC_OK and the number by which to ask for the reply; VMMC_ERR_NICSIM_GONE; VMMC_ERR_SYSTEM.
  template <typename Request>
  int post(wire::MessageType type, Request& request, std::uint32_t* number,
           std::size_t bytes = sizeof(Request), int descriptor = -1) {
    static_assert(offsetof(Request, header) == 0);
    return post_message(type, request.header, std::as_bytes(std::span(&request, 1)).first(bytes),
                        descriptor, number);
  }

  // Waits for a reply, `timeout` ns or VMMC_FOREVER, and takes it. VMMC_OK (whatever the reply's verdict), VMMC_ERR_TIMEOUT,
  // VMMC_ERR_NICSIM_GONE.
  int wait(std::uint32_t number, std::uint64_t timeout, Reply* reply);

  // Post and wait, for ever. VMMC_OK whatever the verdict.
  template <typename Request>
  int call(wire::MessageType type, Request& request, Reply* reply,
           std::size_t bytes = sizeof(Request), int descriptor = -1) {
    std::uint32_t number = 0;
    const int status = post(type, request, &number, bytes, descriptor);
    return status == 0 ? wait(number, VMMC_FOREVER, reply) : status;
  }

  // Of ours, to learn of a hang-up by (POLLRDHUP).
  int socket() const { return socket_.get(); }

  // In a forked child: closes the child's copy of the socket, and nothing else. Async-signal-safe.
  void abandon() { socket_.reset(); }

 private:
  int post_message(wire::MessageType type, wire::MessageHeader& header,
                   std::span<const std::byte> message, int descriptor, std::uint32_t* number);
  void receive_replies();
  bool receive_reply();
  void end();

  platform::FileDescriptor socket_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, std::optional<Reply>> awaited_;
  std::uint32_t next_number_ = 1;
  bool ended_ = false;
  std::function<void()> on_end_;
  std::thread receiver_;
};

}  // namespace vmmc::internal
