// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: automatic update, the C++20 interface; part of vmmc/vmmc.hpp. All rules, units and errors
// are those of vmmc/automatic_update.h.
//
//   auto bound = vmmc::binding::bind(page, proxy).value();
//   vmmc::au_span<std::uint64_t> words = bound.as<std::uint64_t>().value();
//   words[3] = 42;                       // here and there
//   std::uint64_t here = words[3];       // a local load
//   words[4].store(43).value();          // the same with the error as a value
//
// Errors      An assignment throws boost::system::system_error where store() returns an error.
// Ownership   A binding ends with its owner, and before the memory and the proxy do. References and
//             spans do not own it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "vmmc/vmmc.hpp"

namespace vmmc {

inline constexpr vmmc_bind_options bind_defaults = VMMC_BIND_DEFAULTS;

// What a typed store can store.
template <typename T>
concept au_storable = std::is_trivially_copyable_v<T> && !std::is_const_v<T>;

namespace detail {

// Types of the size of a word, which are stored whole; but not arrays, whose alignment may be less.
template <typename T>
inline constexpr bool is_au_word = (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 ||
                                    sizeof(T) == 8) &&
                                   alignof(T) == sizeof(T);

template <typename T>
int au_store(vmmc_binding* handle, T* address, const T& value) {
  if constexpr (!is_au_word<T>) {
    return vmmc_au_copy(handle, address, &value, sizeof value);
  } else if constexpr (sizeof(T) == 1) {
    return vmmc_au_store8(handle, reinterpret_cast<std::uint8_t*>(address),
                          std::bit_cast<std::uint8_t>(value));
  } else if constexpr (sizeof(T) == 2) {
    return vmmc_au_store16(handle, reinterpret_cast<std::uint16_t*>(address),
                           std::bit_cast<std::uint16_t>(value));
  } else if constexpr (sizeof(T) == 4) {
    return vmmc_au_store32(handle, reinterpret_cast<std::uint32_t*>(address),
                           std::bit_cast<std::uint32_t>(value));
  } else {
    return vmmc_au_store64(handle, reinterpret_cast<std::uint64_t*>(address),
                           std::bit_cast<std::uint64_t>(value));
  }
}

}  // namespace detail

// An object in bound memory. What has the size and alignment of a word is stored and loaded whole.
template <au_storable T>
class au_ref {
 public:
  au_ref(vmmc_binding* handle, T* object) : handle_(handle), object_(object) {}
  au_ref(const au_ref&) = default;

  result<void> store(const T& value) const {
    return to_result(detail::au_store(handle_, object_, value));
  }
  const au_ref& operator=(const T& value) const {
    store(value).value();
    return *this;
  }
  // The object, as with a reference of the language.
  const au_ref& operator=(const au_ref& other) const { return *this = other.load(); }

  T load() const {
    if constexpr (detail::is_au_word<T>) {
      return std::atomic_ref<T>(*object_).load(std::memory_order_relaxed);
    } else {
      return *object_;
    }
  }
  operator T() const { return load(); }

 private:
  vmmc_binding* handle_;
  T* object_;
};

// Objects in bound memory, one behind the other.
template <au_storable T>
class au_span {
 public:
  au_span() = default;
  au_span(vmmc_binding* handle, std::span<T> objects) : handle_(handle), objects_(objects) {}

  au_ref<T> operator[](std::size_t index) const { return {handle_, &objects_[index]}; }
  std::size_t size() const { return objects_.size(); }
  bool empty() const { return objects_.empty(); }
  // For loads. Plain stores there are sent only if the binding captures them.
  T* data() const { return objects_.data(); }

  au_span subspan(std::size_t offset, std::size_t count = std::dynamic_extent) const {
    return {handle_, objects_.subspan(offset, count)};
  }
  // As one store for each page.
  result<void> copy_from(std::span<const T> source, std::size_t offset = 0) const {
    const std::span<T> target = objects_.subspan(offset, source.size());
    return to_result(vmmc_au_copy(handle_, target.data(), source.data(), source.size_bytes()));
  }

 private:
  vmmc_binding* handle_ = nullptr;
  std::span<T> objects_;
};

// Pages bound to those of an imported buffer (vmmc_bind, vmmc_unbind).
class binding {
 public:
  // `offset`: bytes from the start of the proxy.
  [[nodiscard]] static result<binding> bind(std::span<std::byte> local, const proxy& remote,
                                            std::size_t offset = 0,
                                            const vmmc_bind_options& options = bind_defaults) {
    vmmc_binding* handle = nullptr;
    const auto done = to_result(
        vmmc_bind(local.data(), remote.address() + offset, local.size(), &options, &handle));
    if (!done) return done.error();
    return binding(handle, local);
  }
  binding(binding&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
  binding& operator=(binding&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~binding() {
    if (handle_ != nullptr) vmmc_unbind(handle_);
  }

  result<void> unbind() {
    bytes_ = {};
    return to_result(vmmc_unbind(std::exchange(handle_, nullptr)));
  }

  vmmc_binding* handle() const { return handle_; }
  std::span<std::byte> bytes() const { return bytes_; }
  result<vmmc_capture> capture() const {
    const int chosen = vmmc_binding_capture(handle_);
    if (chosen < 0) return vmmc::make_error_code(static_cast<vmmc_status>(chosen));
    return static_cast<vmmc_capture>(chosen);
  }

  // The memory as objects, from byte `offset` on: as many as fit. An offset that T's alignment does
  // not allow, or that is outside: VMMC_ERR_MISALIGNED, VMMC_ERR_OUTSIDE_PROXY.
  template <au_storable T>
  result<au_span<T>> as(std::size_t offset = 0) const {
    if (offset > bytes_.size()) return vmmc::make_error_code(VMMC_ERR_OUTSIDE_PROXY);
    if (offset % alignof(T) != 0) return vmmc::make_error_code(VMMC_ERR_MISALIGNED);
    const std::span<std::byte> bytes = bytes_.subspan(offset);
    return au_span<T>(handle_, {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)});
  }

 private:
  binding(vmmc_binding* handle, std::span<std::byte> bytes) : handle_(handle), bytes_(bytes) {}
  vmmc_binding* handle_;
  std::span<std::byte> bytes_;
};

// Sends what is still being combined (vmmc_flush).
inline result<void> flush() { return to_result(vmmc_flush()); }

}  // namespace vmmc
