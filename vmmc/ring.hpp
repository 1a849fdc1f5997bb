// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: owners of receive rings and of the blocks taken from them (vmmc/ring.h).
//
//   auto ring = vmmc::ring::open_file(fd, 1);
//   if (!ring) return ring.error();
//   for (const vmmc::frame& frame : *ring) look_at(frame.data());
//   if (ring->ended_by() != VMMC_END) ...
//
// Threads: as vmmc/ring.h.
#pragma once

#include <linux/filter.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>

#include "vmmc/result.hpp"
#include "vmmc/ring.h"

namespace vmmc {

using ring_options = vmmc_ring_options;
inline constexpr ring_options default_ring_options = VMMC_RING_DEFAULTS;

// A frame where the DMA has put it; as long as it may be touched. `captured` is read once, here.
class frame {
 public:
  frame() = default;
  explicit frame(const vmmc_frame* header)
      : header_(header), captured_(header == nullptr ? 0 : header->captured) {}

  std::span<const std::byte> data() const {
    return {reinterpret_cast<const std::byte*>(vmmc_frame_data(header_)), captured_};
  }
  // Since 1970, UTC.
  std::chrono::nanoseconds time() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(header_->time));
  }
  std::size_t length() const { return header_->length; }
  std::uint32_t dropped() const { return header_->dropped; }
  std::uint16_t link_type() const { return header_->link_type; }
  std::uint16_t interface_number() const { return header_->interface_; }
  bool cut() const { return (header_->flags & VMMC_FRAME_CUT) != 0; }
  bool outbound() const { return (header_->flags & VMMC_FRAME_OUTBOUND) != 0; }
  const vmmc_frame& header() const { return *header_; }

 private:
  const vmmc_frame* header_ = nullptr;
  std::size_t captured_ = 0;
};

// A block that is held; given back when its owner ends. It ends before its ring does.
class ring_block {
 public:
  ring_block(vmmc_ring* ring, const vmmc_block& block) : ring_(ring), block_(block) {}
  ring_block(ring_block&& other) noexcept
      : ring_(std::exchange(other.ring_, nullptr)), block_(other.block_) {}
  ring_block& operator=(ring_block&& other) noexcept {
    std::swap(ring_, other.ring_);
    std::swap(block_, other.block_);
    return *this;
  }
  ~ring_block() {
    if (ring_ != nullptr) vmmc_ring_return_block(ring_, &block_);
  }

  std::uint32_t frames() const { return block_.frames; }
  bool again() const { return block_.again != 0; }

  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = frame;
    using difference_type = std::ptrdiff_t;
    using pointer = const frame*;
    using reference = const frame&;

    iterator(const vmmc_block* block, const vmmc_frame* at) : block_(block), at_(at), frame_(at) {}
    const frame& operator*() const { return frame_; }
    const frame* operator->() const { return &frame_; }
    iterator& operator++() {
      at_ = vmmc_block_next(block_, at_);
      frame_ = frame(at_);
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return at_ == nullptr; }

   private:
    const vmmc_block* block_;
    const vmmc_frame* at_;
    frame frame_;
  };
  iterator begin() const { return {&block_, block_.first}; }
  std::default_sentinel_t end() const { return {}; }

 private:
  vmmc_ring* ring_;
  vmmc_block block_;
};

class ring {
 public:
  [[nodiscard]] static result<ring> open_backplane(
      std::uint32_t node, std::uint32_t id, const ring_options& options = default_ring_options) {
    return make(
        [&](vmmc_ring** made) { return vmmc_ring_open_backplane(node, id, &options, made); });
  }
  [[nodiscard]] static result<ring> open_file(int fd, std::uint32_t id,
                                              const ring_options& options = default_ring_options) {
    return make([&](vmmc_ring** made) { return vmmc_ring_open_file(fd, id, &options, made); });
  }
  [[nodiscard]] static result<ring> open_interface(
      const char* name, std::uint32_t id, const ring_options& options = default_ring_options,
      std::span<const sock_filter> filter = {}) {
    return make([&](vmmc_ring** made) {
      return vmmc_ring_open_interface(name, filter.empty() ? nullptr : filter.data(), filter.size(),
                                      id, &options, made);
    });
  }
  [[nodiscard]] static result<ring> join(vmmc_identity opener, std::uint32_t id) {
    return make([&](vmmc_ring** made) { return vmmc_ring_join(opener, id, made); });
  }
  ring(ring&& other) noexcept
      : ring_(std::exchange(other.ring_, nullptr)), ended_by_(other.ended_by_) {}
  ring& operator=(ring&& other) noexcept {
    std::swap(ring_, other.ring_);
    std::swap(ended_by_, other.ended_by_);
    return *this;
  }
  ~ring() {
    if (ring_ != nullptr) vmmc_ring_close(ring_);
  }

  // As vmmc_ring_next; the source's end is the error VMMC_END.
  result<frame> next(std::chrono::nanoseconds timeout = forever) {
    const vmmc_frame* found = nullptr;
    const int status = vmmc_ring_next(ring_, &found, timeout_of(timeout));
    if (status != VMMC_OK) return vmmc::make_error_code(static_cast<vmmc_status>(status));
    return frame(found);
  }
  // Whether a consumer that ended was given the last frame before.
  bool again() const { return vmmc_ring_again(ring_) != 0; }
  result<ring_block> take_block(std::chrono::nanoseconds timeout = forever) {
    vmmc_block block{};
    const int status = vmmc_ring_take_block(ring_, &block, timeout_of(timeout));
    if (status != VMMC_OK) return vmmc::make_error_code(static_cast<vmmc_status>(status));
    return ring_block(ring_, block);
  }

  int descriptor() const {
    int descriptor = -1;
    (void)vmmc_ring_descriptor(ring_, &descriptor);
    return descriptor;
  }
  // True: wait for the descriptor; false: there is something already.
  result<bool> arm() {
    const int status = vmmc_ring_arm(ring_);
    if (status < 0) {
      return {boost::system::in_place_error,
              vmmc::make_error_code(static_cast<vmmc_status>(status))};
    }
    return {boost::system::in_place_value, status == VMMC_OK};
  }
  result<vmmc_ring_counters> counters() const {
    vmmc_ring_counters read{};
    const auto done = to_result(vmmc_ring_get_counters(ring_, &read));
    if (!done) return done.error();
    return read;
  }
  std::uint32_t link_type() const {
    std::uint32_t type = 0;
    (void)vmmc_ring_link_type(ring_, &type);
    return type;
  }
  vmmc_ring* handle() const { return ring_; }

  // Frame by frame, waiting for each; the loop ends when there is none any more.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = frame;
    using difference_type = std::ptrdiff_t;
    using pointer = const frame*;
    using reference = const frame&;

    explicit iterator(ring* of) : of_(of) { ++*this; }
    const frame& operator*() const { return frame_; }
    const frame* operator->() const { return &frame_; }
    iterator& operator++() {
      const vmmc_frame* found = nullptr;
      of_->ended_by_ = static_cast<vmmc_status>(vmmc_ring_next(of_->ring_, &found, VMMC_FOREVER));
      frame_ = frame(found);
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return of_->ended_by_ != VMMC_OK; }

   private:
    ring* of_;
    frame frame_;
  };
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() const { return {}; }
  // What the last loop ended by: VMMC_END, or an error.
  vmmc_status ended_by() const { return ended_by_; }

 private:
  template <typename Open>
  static result<ring> make(Open open) {
    vmmc_ring* made = nullptr;
    const auto done = to_result(open(&made));
    if (!done) return done.error();
    return ring(made);
  }
  explicit ring(vmmc_ring* made) : ring_(made) {}

  vmmc_ring* ring_;
  vmmc_status ended_by_ = VMMC_OK;
};

}  // namespace vmmc
