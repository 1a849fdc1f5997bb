// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/pingpong/link.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace vmmc::bench {
namespace {

constexpr std::uint64_t kPatience = 60'000'000'000;  // ns until a silent peer counts as lost
constexpr std::uint32_t kBufferId = 1;

std::byte* allocate(std::size_t bytes) {
  void* memory = nullptr;
  must(vmmc_alloc(bytes, &memory), "vmmc_alloc");
  return static_cast<std::byte*>(memory);
}

template <typename T>
void store_zero(std::byte* word) {
  std::atomic_ref(*reinterpret_cast<T*>(word)).store(0, std::memory_order_relaxed);
}

}  // namespace

void must(int status, const char* what) {
  if (status == VMMC_OK) return;
  std::fprintf(stderr, "rank %u: %s: %s\n", vmmc_rank(), what, vmmc_last_error());
  std::exit(1);
}

Link::Link(const Options& options, std::size_t payload_bytes)
    : wait_strategy_(options.wait),
      corrupt_(options.corrupt),
      data_bytes_(kMaxSlots * kCacheLine + payload_bytes) {
  vmmc_init_options init = VMMC_INIT_DEFAULTS;
  init.never_start = 1;
  must(vmmc_init(&init), "vmmc_init");
  if (vmmc_size() != 2) {
    std::fprintf(stderr, "pingpong: two processes are needed, not %u\n", vmmc_size());
    std::exit(1);
  }
  must(vmmc_set_wait_strategy(options.wait), "vmmc_set_wait_strategy");
  std::byte* memory = allocate(kControlBytes + data_bytes_);
  control_ = reinterpret_cast<Control*>(memory);
  inbox_ = memory + kControlBytes;
  source_ = allocate(data_bytes_);
  must(vmmc_export(memory, kControlBytes + data_bytes_, kBufferId, nullptr), "vmmc_export");

  vmmc_identity other{};
  must(vmmc_identity_of_rank(1 - vmmc_rank(), &other), "vmmc_identity_of_rank");
  vmmc_import_options import = VMMC_IMPORT_DEFAULTS;
  import.executor = options.executor;
  import.timeout = kPatience;
  void* proxy = nullptr;
  must(vmmc_import(other, kBufferId, &import, &proxy, nullptr), "vmmc_import");
  remote_control_ = static_cast<Control*>(proxy);
  remote_inbox_ = static_cast<std::byte*>(proxy) + kControlBytes;
}

void Link::close() { must(vmmc_finalize(), "vmmc_finalize"); }

void Link::send(const void* source, void* proxy, std::size_t bytes) {
  must(vmmc_send(source, proxy, bytes), "vmmc_send");
}

void Link::wait(const std::uint32_t& word, vmmc_comparison comparison, std::uint32_t value) const {
  must(vmmc_wait_32(&word, comparison, value, wait_strategy_, kPatience), "vmmc_wait_32");
}

std::uint32_t Link::give(Command command) {
  command.stream = ++commands_;
  send(&command, &remote_control_->command, sizeof command);
  send(&commands_, &remote_control_->commands, sizeof commands_);
  return command.stream;
}

Command Link::take() {
  wait(control_->commands, VMMC_AT_LEAST, ++commands_);
  return control_->command;
}

void Link::say_ready() {
  ++ready_;
  send(&ready_, &remote_control_->ready, sizeof ready_);
}
void Link::await_ready() { wait(control_->ready, VMMC_AT_LEAST, ++ready_); }

void Link::confirm_burst() {
  ++confirmed_;
  send(&confirmed_, &remote_control_->confirmed, sizeof confirmed_);
}
void Link::await_confirmation() { wait(control_->confirmed, VMMC_AT_LEAST, ++confirmed_); }

void Link::say_consumed(std::uint64_t messages) {
  send(&messages, &remote_control_->consumed, sizeof messages);
}
void Link::await_consumed(std::uint64_t messages) const {
  must(vmmc_wait_64(&control_->consumed, VMMC_AT_LEAST, messages, wait_strategy_, kPatience),
       "vmmc_wait_64");
}

std::span<std::byte> Link::source(const SlotLayout& layout, std::size_t slot) const {
  return {source_ + layout.payload_offset(slot), layout.bytes};
}
std::span<const std::byte> Link::received(const SlotLayout& layout, std::size_t slot) const {
  return {inbox_ + layout.payload_offset(slot), layout.bytes};
}

void Link::fill(const SlotLayout& layout, std::size_t slot, MessageNumber number) {
  const std::span<std::byte> message = source(layout, slot);
  fill_pattern(message, number);
  if (is_initiator() && ++filled_ == corrupt_) message[message.size() / 2] ^= std::byte{0x80};
}

void Link::check(std::span<const std::byte> message, MessageNumber number) {
  const auto position = find_corruption(message, number);
  if (!position) return;
  std::fprintf(stderr, "rank %u: corrupted payload: %s\n", vmmc_rank(),
               describe_corruption(message, number, *position).c_str());
  std::exit(1);
}
void Link::check(const SlotLayout& layout, std::size_t slot, MessageNumber number) const {
  check(received(layout, slot), number);
}

void Link::send_payload(const SlotLayout& layout, std::size_t slot) {
  send(source_ + layout.payload_offset(slot), remote_inbox_ + layout.payload_offset(slot),
       layout.bytes);
}

vmmc_send_handle Link::start_payload(const SlotLayout& layout, std::size_t slot) {
  vmmc_send_handle handle = 0;
  must(vmmc_send_start(source_ + layout.payload_offset(slot),
                       remote_inbox_ + layout.payload_offset(slot), layout.bytes, &handle),
       "vmmc_send_start");
  return handle;
}

void Link::finish(vmmc_send_handle handle) { must(vmmc_send_wait(handle), "vmmc_send_wait"); }

void Link::send_flag(const SlotLayout& layout, std::size_t slot, std::uint32_t value) {
  send(&value, remote_inbox_ + layout.flag_offset(slot), sizeof value);
}

void Link::await_flag(const SlotLayout& layout, std::size_t slot, std::uint32_t value) const {
  wait(*reinterpret_cast<const std::uint32_t*>(inbox_ + layout.flag_offset(slot)), VMMC_AT_LEAST,
       value);
}

void Link::send_message(const SlotLayout& layout, std::size_t slot) {
  send_payload(layout, slot);
  if (!layout.is_word()) send_flag(layout, slot, 1);
}

void Link::await_message(const SlotLayout& layout, std::size_t slot) const {
  if (!layout.is_word()) {
    await_flag(layout, slot, 1);
  } else if (layout.bytes == 4) {
    const std::byte* word = inbox_ + layout.payload_offset(slot);
    wait(*reinterpret_cast<const std::uint32_t*>(word), VMMC_NOT_EQUAL, 0);
  } else {
    const std::byte* word = inbox_ + layout.payload_offset(slot);
    must(vmmc_wait_64(reinterpret_cast<const std::uint64_t*>(word), VMMC_NOT_EQUAL, 0,
                      wait_strategy_, kPatience),
         "vmmc_wait_64");
  }
}

// The sender is silent when these are called: it waits until we say that we are ready, or that we
// have consumed.
void Link::clear(const SlotLayout& layout, std::size_t slot) {
  if (!layout.is_word()) {
    clear_flag(layout, slot);
  } else if (layout.bytes == 4) {
    store_zero<std::uint32_t>(inbox_ + layout.payload_offset(slot));
  } else {
    store_zero<std::uint64_t>(inbox_ + layout.payload_offset(slot));
  }
}

void Link::clear_flag(const SlotLayout& layout, std::size_t slot) {
  store_zero<std::uint32_t>(inbox_ + layout.flag_offset(slot));
}

}  // namespace vmmc::bench
