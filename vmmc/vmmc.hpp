// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: user-level virtual memory-mapped communication. The C++20 interface: owners for what the C
// interface (vmmc.h) gives, errors as values. All rules, units and errors are those of vmmc.h.
//
//   auto attached = vmmc::attachment::attach().value();
//   auto proxy = vmmc::proxy::import({0, 1}, 7).value();
//   proxy.send(std::uint32_t{42}, 8).value();
//
// Errors      A vmmc::result<T> holds a T or an error code whose category is vmmc::category() and
//             whose value is an enum vmmc_status. result.value() throws boost::system::system_error
//             if there is none. vmmc::last_error() is the sentence with the values concerned.
// Threads     As vmmc.h. An owner is used by one thread at a time; sending through a proxy is not a
//             change of it, so any number of threads may.
// Ownership   What an owner's destructor cannot do is not reported; whoever wants to know calls the
//             named function (finalize, unexport, unimport) first. All owners end before the
//             attachment does. A moved-from owner owns nothing.
#pragma once

#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "vmmc/host_executor.hpp"
#include "vmmc/notification.hpp"
#include "vmmc/redirection.hpp"
#include "vmmc/result.hpp"
#include "vmmc/vmmc.h"

namespace vmmc {

// ---------------------------------------------------------------------------- attachment

using identity = vmmc_identity;

inline constexpr vmmc_init_options init_defaults = VMMC_INIT_DEFAULTS;
inline constexpr vmmc_export_options export_defaults = VMMC_EXPORT_DEFAULTS;
inline constexpr vmmc_import_options import_defaults = VMMC_IMPORT_DEFAULTS;

// The process's attachment to nicsim (vmmc_init, vmmc_finalize).
class attachment {
 public:
  [[nodiscard]] static result<attachment> attach(const vmmc_init_options& options = init_defaults) {
    const auto done = to_result(vmmc_init(&options));
    if (!done) return done.error();
    return attachment(true);
  }
  attachment(attachment&& other) noexcept : attached_(std::exchange(other.attached_, false)) {}
  attachment& operator=(attachment&& other) noexcept {
    std::swap(attached_, other.attached_);
    return *this;
  }
  ~attachment() {
    if (attached_) vmmc_finalize();
  }

  result<void> finalize() {
    attached_ = false;
    return to_result(vmmc_finalize());
  }

 private:
  explicit attachment(bool attached) : attached_(attached) {}
  bool attached_;
};

inline identity self() { return vmmc_self(); }
inline std::uint32_t nodes() { return vmmc_nodes(); }
inline std::uint32_t rank() { return vmmc_rank(); }
inline std::uint32_t size() { return vmmc_size(); }

inline result<identity> identity_of_rank(std::uint32_t rank) {
  identity found{};
  const auto done = to_result(vmmc_identity_of_rank(rank, &found));
  if (!done) return done.error();
  return found;
}

// -------------------------------------------------------------------------------- memory

// Memory from vmmc_alloc.
class memory {
 public:
  [[nodiscard]] static result<memory> allocate(std::size_t length) {
    void* address = nullptr;
    const auto done = to_result(vmmc_alloc(length, &address));
    if (!done) return done.error();
    return memory({static_cast<std::byte*>(address), length});
  }
  memory(memory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  memory& operator=(memory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~memory() {
    if (!bytes_.empty()) vmmc_free(bytes_.data());
  }

  std::span<std::byte> bytes() const { return bytes_; }

  // The memory as objects: as many as fit.
  template <typename T>
  requires std::is_trivially_copyable_v<T> std::span<T> as()
  const { return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)}; }

 private:
  explicit memory(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

// -------------------------------------------------------------------------------- export

// A receive buffer that this process exports; the memory is the caller's, and outlives it.
class receive_buffer {
 public:
  [[nodiscard]] static result<receive_buffer> export_memory(
      std::span<std::byte> bytes, std::uint32_t id,
      const vmmc_export_options& options = export_defaults) {
    const auto done = to_result(vmmc_export(bytes.data(), bytes.size(), id, &options));
    if (!done) return done.error();
    return receive_buffer(bytes, id);
  }
  receive_buffer(receive_buffer&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), id_(other.id_) {}
  receive_buffer& operator=(receive_buffer&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~receive_buffer() {
    if (!bytes_.empty()) vmmc_unexport(id_);
  }

  result<void> unexport() {
    bytes_ = {};
    return to_result(vmmc_unexport(id_));
  }
  std::span<std::byte> bytes() const { return bytes_; }
  std::uint32_t id() const { return id_; }

 private:
  receive_buffer(std::span<std::byte> bytes, std::uint32_t id) : bytes_(bytes), id_(id) {}
  std::span<std::byte> bytes_;
  std::uint32_t id_;
};

// ----------------------------------------------------------------------- import and send

// A transfer that was started. The source of a send must not change until it has completed; the
// destination of a fetch is defined then.
class send_request {
 public:
  explicit send_request(vmmc_send_handle handle) : handle_(handle) {}
  // true: completed; false: not yet.
  result<bool> test() const {
    const int status = vmmc_send_test(handle_);
    if (status == VMMC_PENDING) return false;
    const auto done = to_result(status);
    if (!done) return {boost::system::in_place_error, done.error()};
    return true;
  }
  result<void> wait() const { return to_result(vmmc_send_wait(handle_)); }

 private:
  vmmc_send_handle handle_;
};

// What atomic operations work on.
template <typename Word>
concept remote_word = std::same_as<Word, std::uint32_t> || std::same_as<Word, std::uint64_t>;

// An imported buffer. Offsets are bytes from its start.
class proxy {
 public:
  [[nodiscard]] static result<proxy> import(identity exporter, std::uint32_t id,
                                            const vmmc_import_options& options = import_defaults) {
    void* address = nullptr;
    std::size_t length = 0;
    const auto done = to_result(vmmc_import(exporter, id, &options, &address, &length));
    if (!done) return done.error();
    return proxy(static_cast<std::byte*>(address), length);
  }
  proxy(proxy&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)),
        length_(other.length_),
        record_(std::exchange(other.record_, no_record())) {}
  proxy& operator=(proxy&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(length_, other.length_);
    std::swap(record_, other.record_);
    return *this;
  }
  ~proxy() {
    if (address_ != nullptr) vmmc_unimport(address_);
  }

  result<void> unimport() {
    record_ = no_record();  // the other may serve another import soon
    return to_result(vmmc_unimport(std::exchange(address_, nullptr)));
  }

  // Names the buffer's first byte to the C interface; cannot be dereferenced.
  std::byte* address() const { return address_; }
  std::size_t size() const { return length_; }

  result<void> send(std::span<const std::byte> source, std::size_t offset = 0) const {
    return to_result(vmmc_send(source.data(), address_ + offset, source.size()));
  }
  template <typename T>
  requires(std::is_trivially_copyable_v<T> && !std::convertible_to<T, std::span<const std::byte>>)
      result<void> send(const T& object, std::size_t offset = 0)
  const {
    if constexpr (is_word<T>) {
      if (host_executor::try_store(*record_, offset, as_word(object))) [[likely]]
        return {};
      return send_copy(object, offset);
    }
    return to_result(vmmc_send(&object, address_ + offset, sizeof object));
  }
  [[nodiscard]] result<send_request> send_start(std::span<const std::byte> source,
                                                std::size_t offset = 0) const {
    vmmc_send_handle handle = 0;
    const auto done =
        to_result(vmmc_send_start(source.data(), address_ + offset, source.size(), &handle));
    if (!done) return done.error();
    return send_request(handle);
  }
  // Runs the handler of the buffer, which gets the immediate word.
  result<void> send_notify(std::span<const std::byte> source, std::size_t offset = 0,
                           std::uint32_t immediate = 0) const {
    return to_result(vmmc_send_notify(source.data(), address_ + offset, source.size(), immediate));
  }

  // Needs an import with VMMC_READ.
  result<void> fetch(std::span<std::byte> destination, std::size_t offset = 0) const {
    return to_result(vmmc_fetch(destination.data(), address_ + offset, destination.size()));
  }
  [[nodiscard]] result<send_request> fetch_start(std::span<std::byte> destination,
                                                 std::size_t offset = 0) const {
    vmmc_send_handle handle = 0;
    const auto done = to_result(
        vmmc_fetch_start(destination.data(), address_ + offset, destination.size(), &handle));
    if (!done) return done.error();
    return send_request(handle);
  }

  // Atomic operations on the word at `offset`; the value before. Need VMMC_READ and VMMC_WRITE.
  template <remote_word Word>
  result<Word> fetch_add(std::size_t offset, std::type_identity_t<Word> addend) const {
    return change<Word>(vmmc_fetch_add_32, vmmc_fetch_add_64, offset, addend);
  }
  template <remote_word Word>
  result<Word> swap(std::size_t offset, std::type_identity_t<Word> value) const {
    return change<Word>(vmmc_swap_32, vmmc_swap_64, offset, value);
  }
  template <remote_word Word>
  result<Word> compare_swap(std::size_t offset, std::type_identity_t<Word> expected,
                            std::type_identity_t<Word> desired) const {
    return change<Word>(vmmc_compare_swap_32, vmmc_compare_swap_64, offset, expected, desired);
  }

 private:
  template <typename Word, typename Change32, typename Change64, typename... Operands>
  result<Word> change(Change32 change_32, Change64 change_64, std::size_t offset,
                      Operands... operands) const {
    Word previous = 0;
    int status = VMMC_OK;
    if constexpr (sizeof(Word) == 4) {
      status = change_32(address_ + offset, operands..., &previous);
    } else {
      status = change_64(address_ + offset, operands..., &previous);
    }
    const auto done = to_result(status);
    if (!done) return {boost::system::in_place_error, done.error()};
    return {boost::system::in_place_value, previous};
  }

  // Takes a copy, so that the caller's object can stay in a register.
  template <typename T>
  [[gnu::noinline]] result<void> send_copy(T object, std::size_t offset) const {
    return to_result(vmmc_send(&object, address_ + offset, sizeof object));
  }

  // What one store instruction stores.
  template <typename T>
  static constexpr bool is_word = sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 ||
                                  sizeof(T) == 8;
  template <typename T>
  static auto as_word(const T& object) {
    if constexpr (sizeof(T) == 1) {
      return std::bit_cast<std::uint8_t>(object);
    } else if constexpr (sizeof(T) == 2) {
      return std::bit_cast<std::uint16_t>(object);
    } else if constexpr (sizeof(T) == 4) {
      return std::bit_cast<std::uint32_t>(object);
    } else {
      return std::bit_cast<std::uint64_t>(object);
    }
  }

  static host_executor::record* no_record() noexcept { return &host_executor::record_of(nullptr); }

  proxy(std::byte* address, std::size_t length)
      : address_(address), length_(length), record_(&host_executor::record_of(address)) {}
  std::byte* address_;
  std::size_t length_;
  host_executor::record* record_;
};

inline result<void> fence() { return to_result(vmmc_fence()); }

// ------------------------------------------------------------------------------- waiting

// Waits until `word comparison value` holds (vmmc_wait_32, vmmc_wait_64).
template <remote_word Word>
result<void> wait(const Word& word, vmmc_comparison comparison, std::type_identity_t<Word> value,
                  vmmc_wait_strategy strategy = VMMC_WAIT_ADAPTIVE,
                  std::chrono::nanoseconds timeout = forever) {
  if constexpr (sizeof(Word) == 4) {
    return to_result(vmmc_wait_32(&word, comparison, value, strategy, timeout_of(timeout)));
  } else {
    return to_result(vmmc_wait_64(&word, comparison, value, strategy, timeout_of(timeout)));
  }
}

// ------------------------------------------------------------------------------- simulated time

inline bool time_is_simulated() { return vmmc_time_is_simulated() != 0; }
inline std::chrono::nanoseconds clock() {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(vmmc_clock()));
}
// Less than nothing is nothing.
inline result<void> compute(std::chrono::nanoseconds work) {
  return to_result(vmmc_compute(work.count() < 0 ? 0 : static_cast<std::uint64_t>(work.count())));
}

// While it lives the calling thread waits for something outside, and simulated time goes on without it.
class time_outside {
 public:
  time_outside() { (void)vmmc_leave_time(); }
  ~time_outside() { (void)vmmc_return_to_time(); }
  time_outside(const time_outside&) = delete;
  time_outside& operator=(const time_outside&) = delete;
};

inline result<vmmc_counters> counters() {
  vmmc_counters counted{};
  const auto done = to_result(vmmc_get_counters(&counted));
  if (!done) return done.error();
  return counted;
}

}  // namespace vmmc

#include "vmmc/automatic_update.hpp"  // at the end: it needs the classes above
