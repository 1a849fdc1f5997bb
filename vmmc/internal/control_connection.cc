// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/control_connection.h"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <system_error>

#include "platform/unix_socket.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/signals_blocked.h"

namespace vmmc::internal {
ControlConnection::~ControlConnection() {
  if (socket_.valid()) ::shutdown(socket_.get(), SHUT_RDWR);  // ends the receiver's wait
  if (receiver_.joinable()) receiver_.join();
}

std::optional<platform::SystemError> ControlConnection::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  const SignalsBlocked blocked;
  try {
    receiver_ = std::thread([this] { receive_replies(); });
  } catch (const std::system_error& error) {
    return platform::SystemError{"pthread_create", error.code().value()};
  }
  ::pthread_setname_np(receiver_.native_handle(), "vmmc-control");
  return std::nullopt;
}

int ControlConnection::post_message(wire::MessageType type, wire::MessageHeader& header,
                                    std::span<const std::byte> message, int descriptor,
                                    std::uint32_t* number) {
  std::unique_lock lock(mutex_);
  if (ended_) return VMMC_ERR_NICSIM_GONE;
  while (next_number_ == 0 || awaited_.contains(next_number_)) ++next_number_;
  *number = next_number_++;
  header = {wire::kMagic, wire::kVersion, type, *number, wire::Status::kOk};
  const std::span<const int> descriptors(&descriptor, descriptor >= 0 ? 1 : 0);
  const auto awaited = awaited_.emplace(*number, std::nullopt).first;
  // Not with the lock held: when both directions are full, the receiver must make room.
  lock.unlock();
  const auto sent = platform::send_message(socket_.get(), message, descriptors);
  if (sent.ok()) return VMMC_OK;
  lock.lock();
  awaited_.erase(awaited);
  const int error = sent.error().number;
  if (error == EPIPE || error == ECONNRESET) {
    changed_.wait(lock, [this] { return ended_; });  // until everybody has been told
    return VMMC_ERR_NICSIM_GONE;
  }
  return fail_system("cannot ask nicsim", sent.error());
}

int ControlConnection::wait(std::uint32_t number, std::uint64_t timeout, Reply* reply) {
  // Longer than this is for ever; the clock's own numbers end after 292 years.
  constexpr std::uint64_t kLongest = std::uint64_t{1} << 62;
  std::unique_lock lock(mutex_);
  const auto awaited = awaited_.find(number);
  const auto settled = [&] { return awaited->second.has_value() || ended_; };
  if (timeout >= kLongest) {
    changed_.wait(lock, settled);
  } else if (!changed_.wait_for(lock, std::chrono::nanoseconds(timeout), settled)) {
    return VMMC_ERR_TIMEOUT;
  }
  const bool answered = awaited->second.has_value();
  if (answered) *reply = std::move(*awaited->second);
  awaited_.erase(awaited);
  return answered ? VMMC_OK : VMMC_ERR_NICSIM_GONE;
}

void ControlConnection::receive_replies() {
  while (receive_reply()) {
  }
  end();
}

bool ControlConnection::receive_reply() {
  Reply reply;
  auto received = platform::receive_message(socket_.get(), reply.bytes_);
  if (!received.ok()) return received.error().number == EINTR;
  platform::ReceivedMessage& message = received.value();
  const bool whole = !message.truncated || message.descriptors_lost;
  if (!whole || message.bytes < sizeof(wire::MessageHeader)) return false;
  std::move(std::begin(message.descriptors), std::end(message.descriptors),
            reply.descriptors_.begin());
  reply.descriptors_lost_ = message.descriptors_lost;
  const wire::MessageHeader header = reply.as<wire::PlainReply>().header;
  if (header.magic != wire::kMagic) return false;
  const std::lock_guard lock(mutex_);
  const auto awaited = awaited_.find(header.request);
  if (awaited != awaited_.end()) awaited->second = std::move(reply);
  changed_.notify_all();
  return true;
}

// In this order: who learns of it from a request finds that everybody has been told.
void ControlConnection::end() {
  on_end_();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace vmmc::internal
