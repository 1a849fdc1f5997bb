// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The two processes of a benchmark, connected: each exports one receive buffer and imports the
// other's.
//
//   receive buffer:  Control (one page) | flags, a cache line per slot | payloads of the slots
//
// Rank 0 (the initiator) says what is measured next, rank 1 (the responder) takes part in it.
// Everything that must arrive in an order is in this one buffer, because order is promised within
// one buffer.
//
// Threads and processes
//   One thread in each process. Each field of Control is written by the other process alone.
//
// Errors
//   Every failure, a wait of more than a minute, and every corrupted byte end the process with a
//   sentence; whoever started it ends the other one.
//
// What a crash at any instruction leaves behind
//   Nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/pingpong/options.h"
#include "bench/support/pattern.h"
#include "platform/histogram.h"
#include "vmmc/vmmc.h"

namespace vmmc::bench {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kMaxSlots = 4096;

enum class Task : std::uint32_t { kQuit, kPingpong, kBurst, kFixedRate };

struct Command {
  Task task;
  std::uint32_t stream;  // tells the payloads of measurements apart
  std::uint64_t bytes;   // of a message
  std::uint64_t slots;
  std::uint64_t count;  // of round trips, bursts or messages
  std::uint64_t start;  // fixed rate: when message 0 is due, and how many ns lie between two
  std::uint64_t period;
};

// The lines that one process writes into the other's memory. All but `consumed` only grow while the
// link exists.
struct Control {
  alignas(kCacheLine) Command command;
  alignas(kCacheLine) std::uint32_t commands;  // how many have been given
  alignas(kCacheLine)
      std::uint32_t ready;  // the responder has checked what came and is prepared for the next
  alignas(kCacheLine) std::uint32_t confirmed;  // bursts that have arrived whole
  alignas(kCacheLine) std::uint64_t consumed;   // fixed rate: messages that have been checked
  alignas(kCacheLine) platform::Histogram::Exact exact;  // fixed rate: of the latencies
};
inline constexpr std::size_t kControlBytes = 4096;
static_assert(sizeof(Control) <= kControlBytes);

// Where the messages of one measurement lie, in the sender's source memory and in the receiver's
// buffer alike.
struct SlotLayout {
  std::size_t bytes;

  // A message of 4 or 8 bytes is a word that arrives whole, and the receiver waits for that word. A
  // longer one is followed by a second send, of its flag: the order of the words of one send is not
  // promised.
  bool is_word() const { return bytes == 4 || bytes == 8; }
  std::size_t stride() const { return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine; }
  std::size_t flag_offset(std::size_t slot) const { return slot * kCacheLine; }
  std::size_t payload_offset(std::size_t slot) const {
    return kMaxSlots * kCacheLine + slot * stride();
  }
  static std::size_t payload_capacity(std::size_t data_bytes) {
    return data_bytes - kMaxSlots * kCacheLine;
  }
};

class Link {
 public:
  // Attaches, and returns when the other process has exported too. `payload_bytes`: room for
  // payloads.
  Link(const Options& options, std::size_t payload_bytes);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  void close();  // detaches

  bool is_initiator() const { return vmmc_rank() == 0; }
  std::size_t payload_capacity() const { return SlotLayout::payload_capacity(data_bytes_); }

  // Initiator: starts a task at the responder; returns its stream number. Responder: waits for the
  // next command.
  std::uint32_t give(Command command);
  Command take();

  // Responder: one more `ready`. Initiator: waits for one more.
  void say_ready();
  void await_ready();

  // The same for bursts that have arrived whole.
  void confirm_burst();
  void await_confirmation();

  // Responder: the first `messages` of this task have been checked, their slots are free.
  // Initiator: waits for that.
  void say_consumed(std::uint64_t messages);
  void await_consumed(std::uint64_t messages) const;

  // The source of messages, and what the other has sent.
  std::span<std::byte> source(const SlotLayout& layout, std::size_t slot) const;
  std::span<const std::byte> received(const SlotLayout& layout, std::size_t slot) const;

  void fill(const SlotLayout& layout, std::size_t slot, MessageNumber number);
  void check(const SlotLayout& layout, std::size_t slot, MessageNumber number) const;
  static void check(std::span<const std::byte> message, MessageNumber number);

  // One message, with its flag if it needs one; waiting for one; making the slot ready for the next
  // one.
  void send_message(const SlotLayout& layout, std::size_t slot);
  void await_message(const SlotLayout& layout, std::size_t slot) const;
  void clear(const SlotLayout& layout, std::size_t slot);

  // The parts of it, for streaming.
  void send_payload(const SlotLayout& layout, std::size_t slot);
  vmmc_send_handle start_payload(const SlotLayout& layout, std::size_t slot);
  static void finish(vmmc_send_handle handle);
  void send_flag(const SlotLayout& layout, std::size_t slot, std::uint32_t value);
  void await_flag(const SlotLayout& layout, std::size_t slot, std::uint32_t value) const;
  void clear_flag(const SlotLayout& layout, std::size_t slot);

  const Control& control() const { return *control_; }
  Control* remote_control() const { return remote_control_; }
  void send(const void* source, void* proxy, std::size_t bytes);
  void wait(const std::uint32_t& word, vmmc_comparison comparison, std::uint32_t value) const;

 private:
  vmmc_wait_strategy wait_strategy_;
  std::uint64_t corrupt_;
  std::size_t data_bytes_;
  Control* control_;
  std::byte* inbox_;                   // after our control
  std::byte* source_;                  // same layout as inbox_
  Control* remote_control_ = nullptr;  // proxies
  std::byte* remote_inbox_ = nullptr;
  std::uint32_t commands_ = 0;
  std::uint32_t ready_ = 0;
  std::uint32_t confirmed_ = 0;
  std::uint64_t filled_ = 0;
};

// Ends the process with vmmc's sentence if `status` is an error.
void must(int status, const char* what);

}  // namespace vmmc::bench
