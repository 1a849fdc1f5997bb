// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For unit tests: plays a consumer of a receive ring, as the library would be one.
//
// Threads: one at a time; another one may be nicsim.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "nicsim/wire/frame_ring.h"

namespace vmmc::nicsim::testing {

class RingConsumer {
 public:
  RingConsumer(wire::RingPort& port, std::byte* blocks)
      : port_(&port), blocks_(blocks), block_bytes_(port.header.block_bytes) {}

  // The next frame that is visible, or nullptr. It stays until the next call. Blocks that have been
  // read go back, or, while `keeps` is set, into `kept`.
  const wire::FrameHeader* next() {
    for (;;) {
      if (at_ == 0 && !take_block()) return nullptr;
      const std::uint64_t filled = header().filled.load(std::memory_order_acquire);
      if (at_ < (filled & ~wire::kBlockClosed)) {
        const auto* frame = reinterpret_cast<const wire::FrameHeader*>(memory() + at_);
        at_ += frame->next;
        return frame;
      }
      if ((filled & wire::kBlockClosed) == 0) return nullptr;
      if (keeps) {
        kept.push_back(block_);
      } else {
        give_back(block_);
      }
      at_ = 0;
    }
  }
  // The bytes of a frame that next() has given.
  static std::span<const std::byte> bytes(const wire::FrameHeader& frame) {
    return {reinterpret_cast<const std::byte*>(&frame + 1), frame.captured};
  }
  // Of the block of the last frame.
  const wire::BlockHeader& header() const {
    return *reinterpret_cast<const wire::BlockHeader*>(memory());
  }

  // True: nicsim has asked to be told.
  bool give_back(std::uint32_t block) {
    port_->returned[returned_ % wire::kMaxRingBlocks].store(block, std::memory_order_relaxed);
    port_->demand.returned.store(++returned_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const bool asked = port_->demand.nic_sleeps.exchange(0, std::memory_order_seq_cst) == 1;
    asked_ |= asked;
    return asked;
  }
  void give_kept_back() {
    for (const std::uint32_t block : kept) give_back(block);
    kept.clear();
  }
  // Whether nicsim has to be told since the last call.
  bool must_ring() { return std::exchange(asked_, false); }

  bool sees_offers() const {
    return port_->offer.offered.load(std::memory_order_acquire) != taken_;
  }
  // Before it sleeps; false: there is something after all. `ended`: it looks at the state first.
  bool arm() {
    port_->demand.consumer_sleeps.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const bool more = at_ != 0 && header().filled.load(std::memory_order_acquire) > at_;
    return !sees_offers() && !more && !ended();
  }
  bool ended() const {
    return port_->offer.state.load(std::memory_order_acquire) ==
           static_cast<std::uint32_t>(wire::RingState::kEnded);
  }
  wire::RingPort& port() const { return *port_; }

  bool keeps = false;
  std::vector<std::uint32_t> kept;

 private:
  bool take_block() {
    if (!sees_offers()) return false;
    block_ = port_->offered[taken_++ % wire::kMaxRingBlocks];
    at_ = wire::kBlockHeaderBytes;
    return true;
  }
  const std::byte* memory() const { return blocks_ + std::size_t{block_} * block_bytes_; }

  wire::RingPort* port_;
  std::byte* blocks_;
  std::uint32_t block_bytes_;
  std::uint64_t taken_ = 0;
  std::uint64_t returned_ = 0;
  std::uint32_t block_ = 0;
  std::uint64_t at_ = 0;  // in the block; 0: none has been taken
  bool asked_ = false;
};

}  // namespace vmmc::nicsim::testing
