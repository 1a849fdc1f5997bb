// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: owners of redirections and registrations (vmmc/redirection.h, vmmc/registration.h). Programs
// include vmmc/vmmc.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "vmmc/redirection.h"
#include "vmmc/registration.h"
#include "vmmc/result.hpp"

namespace vmmc {

// A part of a receive buffer of this process that lands elsewhere while the owner lives. It ends
// before the buffer does.
class redirection {
 public:
  [[nodiscard]] static result<redirection> begin(std::uint32_t buffer_id, std::size_t offset,
                                                 std::span<std::byte> destination) {
    std::size_t copied = 0;
    const auto done = to_result(
        vmmc_redirect(buffer_id, offset, destination.size(), destination.data(), &copied));
    if (!done) return done.error();
    return redirection(buffer_id, offset, copied);
  }
  redirection(redirection&& other) noexcept
      : buffer_id_(other.buffer_id_),
        offset_(other.offset_),
        copied_(other.copied_),
        owned_(std::exchange(other.owned_, false)) {}
  redirection& operator=(redirection&& other) noexcept {
    std::swap(buffer_id_, other.buffer_id_);
    std::swap(offset_, other.offset_);
    std::swap(copied_, other.copied_);
    std::swap(owned_, other.owned_);
    return *this;
  }
  ~redirection() {
    if (owned_) vmmc_end_redirection(buffer_id_, offset_, nullptr);
  }

  // Bytes that had come before, and were copied.
  std::size_t copied() const { return copied_; }

  // Ends it; how many bytes came directly.
  result<std::size_t> end() {
    std::size_t arrived = 0;
    owned_ = false;
    const auto done = to_result(vmmc_end_redirection(buffer_id_, offset_, &arrived));
    if (!done) return done.error();
    return arrived;
  }

 private:
  redirection(std::uint32_t buffer_id, std::size_t offset, std::size_t copied)
      : buffer_id_(buffer_id), offset_(offset), copied_(copied), owned_(true) {}
  std::uint32_t buffer_id_;
  std::size_t offset_;
  std::size_t copied_;
  bool owned_;
};

// Memory that transfers will use, registered while the owner lives.
class registration {
 public:
  [[nodiscard]] static result<registration> add(std::span<const std::byte> bytes) {
    const auto done = to_result(vmmc_register(bytes.data(), bytes.size()));
    if (!done) return done.error();
    return registration(bytes.data());
  }
  registration(registration&& other) noexcept : address_(std::exchange(other.address_, nullptr)) {}
  registration& operator=(registration&& other) noexcept {
    std::swap(address_, other.address_);
    return *this;
  }
  ~registration() {
    if (address_ != nullptr) vmmc_unregister(address_);
  }

 private:
  explicit registration(const std::byte* address) : address_(address) {}
  const std::byte* address_;
};

}  // namespace vmmc
