// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: real-time zero-copy datagrams (vmmc/rtz.h) with owners, and errors as values.
//
//   auto channel = vmmc::rtz_receiver::open(5, {.messages = 10, .period = 1'000'000, .longest = 64,
//                                               .deadline = 200'000});
//   while (auto datagram = channel->receive()) look_at(datagram->bytes());  // returned here
//
//   auto channel = vmmc::rtz_sender::connect(receiver, 5);
//   auto sent = channel->send(sample{...});
//
// Threads and processes: as in vmmc/rtz.h. Owners of datagrams and pages end before their channel.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "vmmc/result.hpp"
#include "vmmc/rtz.h"

namespace vmmc {

using rtz_budget = vmmc_rtz_budget;
using rtz_options = vmmc_rtz_options;
using rtz_counters = vmmc_rtz_counters;
inline constexpr rtz_options rtz_defaults = VMMC_RTZ_DEFAULTS;

// What both ends can be asked; closes the channel when it ends.
class rtz_channel {
 public:
  rtz_channel(rtz_channel&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  rtz_channel& operator=(rtz_channel&& other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~rtz_channel() {
    if (channel_ != nullptr) vmmc_rtz_close(channel_);
  }

  vmmc_rtz_channel* get() const { return channel_; }
  result<rtz_counters> counters() const {
    rtz_counters counters{};
    const auto done = to_result(vmmc_rtz_get_counters(channel_, &counters));
    if (!done) return done.error();
    return counters;
  }
  // That a share of 0 .. 1 of the datagrams received so far did not exceed.
  result<std::chrono::nanoseconds> latency(double share) const {
    std::uint64_t latency = 0;
    const auto done = to_result(vmmc_rtz_latency(channel_, share, &latency));
    if (!done) return done.error();
    return std::chrono::nanoseconds(latency);
  }
  result<rtz_budget> budget() const {
    rtz_budget budget{};
    const auto done = to_result(vmmc_rtz_get_budget(channel_, &budget, nullptr));
    if (!done) return done.error();
    return budget;
  }

 protected:
  explicit rtz_channel(vmmc_rtz_channel* channel) : channel_(channel) {}

 private:
  vmmc_rtz_channel* channel_;
};

// Memory for one datagram; released if it was not sent.
class rtz_page {
 public:
  rtz_page(rtz_page&& other) noexcept
      : channel_(other.channel_), bytes_(std::exchange(other.bytes_, {})) {}
  rtz_page& operator=(rtz_page&& other) noexcept {
    std::swap(channel_, other.channel_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~rtz_page() {
    if (bytes_.data() != nullptr) vmmc_rtz_release(channel_, bytes_.data());
  }

  std::span<std::byte> bytes() const { return bytes_; }
  // The first `length` bytes. After an error the page can be sent again.
  result<void> send(std::size_t length, std::uint64_t tag = 0) {
    const auto sent = to_result(vmmc_rtz_send(channel_, bytes_.data(), length, tag));
    if (sent) bytes_ = {};
    return sent;
  }
  result<void> send() { return send(bytes_.size()); }

 private:
  friend class rtz_sender;
  rtz_page(vmmc_rtz_channel* channel, std::span<std::byte> bytes)
      : channel_(channel), bytes_(bytes) {}
  vmmc_rtz_channel* channel_;
  std::span<std::byte> bytes_;
};

class rtz_sender : public rtz_channel {
 public:
  [[nodiscard]] static result<rtz_sender> connect(vmmc_identity receiver, std::uint32_t id,
                                                  std::chrono::nanoseconds timeout = forever) {
    vmmc_rtz_channel* channel = nullptr;
    const auto done = to_result(vmmc_rtz_connect(receiver, id, timeout_of(timeout), &channel));
    if (!done) return done.error();
    return rtz_sender(channel);
  }

  [[nodiscard]] result<rtz_page> acquire(std::size_t length) {
    void* memory = nullptr;
    const auto done = to_result(vmmc_rtz_acquire(get(), length, &memory));
    if (!done) return done.error();
    return rtz_page(get(), {static_cast<std::byte*>(memory), length});
  }
  result<void> send_copy(std::span<const std::byte> data, std::uint64_t tag = 0) {
    return to_result(vmmc_rtz_send_copy(get(), data.data(), data.size(), tag));
  }
  // The bytes of a value, written where the receiver reads them.
  template <typename T>
  requires std::is_trivially_copyable_v<T> result<void> send(const T& value,
                                                             std::uint64_t tag = 0) {
    auto page = acquire(sizeof value);
    if (!page) return page.error();
    std::memcpy(page->bytes().data(), &value, sizeof value);
    return page->send(sizeof value, tag);
  }
  result<std::chrono::nanoseconds> next_send() const {
    std::uint64_t wait = 0;
    const auto done = to_result(vmmc_rtz_next_send(get(), &wait));
    if (!done) return done.error();
    return std::chrono::nanoseconds(wait);
  }

 private:
  using rtz_channel::rtz_channel;
};

// A datagram that was received; returned when it ends.
class rtz_datagram {
 public:
  rtz_datagram(rtz_datagram&& other) noexcept
      : channel_(std::exchange(other.channel_, nullptr)), datagram_(other.datagram_) {}
  rtz_datagram& operator=(rtz_datagram&& other) noexcept {
    std::swap(channel_, other.channel_);
    std::swap(datagram_, other.datagram_);
    return *this;
  }
  ~rtz_datagram() {
    if (channel_ != nullptr) vmmc_rtz_return(channel_, &datagram_);
  }

  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(datagram_.data), datagram_.length};
  }
  std::uint64_t number() const { return datagram_.number; }
  std::uint64_t tag() const { return datagram_.tag; }
  std::chrono::nanoseconds latency() const { return std::chrono::nanoseconds(datagram_.latency); }
  // Its bytes as a value; not if there are more, or fewer.
  template <typename T>
  requires std::is_trivially_copyable_v<T> result<T> as()
  const {
    T value;
    if (datagram_.length != sizeof value) return to_result(VMMC_ERR_INVALID_ARGUMENT).error();
    std::memcpy(&value, datagram_.data, sizeof value);
    return value;
  }

 private:
  friend class rtz_receiver;
  rtz_datagram(vmmc_rtz_channel* channel, const vmmc_rtz_datagram& datagram)
      : channel_(channel), datagram_(datagram) {}
  vmmc_rtz_channel* channel_;
  vmmc_rtz_datagram datagram_;
};

class rtz_receiver : public rtz_channel {
 public:
  [[nodiscard]] static result<rtz_receiver> open(std::uint32_t id, const rtz_budget& budget,
                                                 const rtz_options& options = rtz_defaults) {
    vmmc_rtz_channel* channel = nullptr;
    const auto done = to_result(vmmc_rtz_open(id, &budget, &options, &channel));
    if (!done) return done.error();
    return rtz_receiver(channel);
  }

  [[nodiscard]] result<rtz_datagram> receive(std::chrono::nanoseconds timeout = forever) {
    vmmc_rtz_datagram datagram{};
    const auto done = to_result(vmmc_rtz_receive(get(), &datagram, timeout_of(timeout)));
    if (!done) return done.error();
    return rtz_datagram(get(), datagram);
  }
  result<int> descriptor() const {
    int descriptor = -1;
    const auto done = to_result(vmmc_rtz_descriptor(get(), &descriptor));
    if (!done) return done.error();
    return descriptor;
  }
  // Whether the descriptor will tell; false: there is something already.
  result<bool> arm() {
    const int status = vmmc_rtz_arm(get());
    if (status == VMMC_PENDING) return false;
    const auto done = to_result(status);
    if (!done) return {boost::system::in_place_error, done.error()};
    return true;
  }

 private:
  using rtz_channel::rtz_channel;
};

}  // namespace vmmc
