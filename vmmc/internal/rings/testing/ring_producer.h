// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// nicsim's side of a ring with one consumer, for tests: writes the layout of nicsim/wire/
// frame_ring.h into memory of its own, with a page before and behind each part that none may touch.
//
// Threads: one uses it as producer; the consumer's calls (RingPeer) come from another one.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <set>
#include <span>
#include <stdexcept>

#include "nicsim/wire/frame_ring.h"
#include "platform/file_descriptor.h"
#include "vmmc/internal/rings/ring_reader.h"

namespace vmmc::internal::testing {

class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t bytes) : bytes_(bytes) {
    void* const all =
        ::mmap(nullptr, bytes + 2 * wire::kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    all_ = static_cast<std::byte*>(all);
    ::mprotect(data(), bytes, PROT_READ | PROT_WRITE);
  }
  ~GuardedMemory() { ::munmap(all_, bytes_ + 2 * wire::kPageSize); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  std::byte* data() const { return all_ + wire::kPageSize; }

 private:
  std::size_t bytes_;
  std::byte* all_;
};

class RingProducer final : public RingPeer {
 public:
  RingProducer(std::uint32_t blocks, std::uint32_t block_bytes)
      : blocks_(blocks),
        block_bytes_(block_bytes),
        port_memory_(wire::kRingPortBytes),
        block_memory_(std::size_t{blocks} * block_bytes),
        doorbell_(::eventfd(0, EFD_CLOEXEC)) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("pipe2");
    pipe_read_.reset(ends[0]);
    pipe_write_.reset(ends[1]);
    for (std::uint32_t block = 0; block < blocks; ++block) free_.push_back(block);
  }

  RingMemory memory() const { return {&port(), block_memory_.data(), blocks_, block_bytes_}; }
  int pipe() const { return pipe_read_.get(); }
  wire::RingPort& port() const { return *reinterpret_cast<wire::RingPort*>(port_memory_.data()); }
  wire::BlockHeader& block(std::uint32_t index) const {
    return *reinterpret_cast<wire::BlockHeader*>(block_memory_.data() +
                                                 std::size_t{index} * block_bytes_);
  }

  // False: no block is free.
  bool publish(std::span<const std::byte> data) {
    const auto bytes = static_cast<std::uint32_t>(
        (sizeof(wire::FrameHeader) + data.size() + wire::kFrameAlignment - 1) /
        wire::kFrameAlignment * wire::kFrameAlignment);
    if (current_ >= 0 && filled_ + bytes > block_bytes_) close_block();
    const bool begins = current_ < 0;
    if (begins && !begin_block()) return false;
    std::byte* const place =
        reinterpret_cast<std::byte*>(&block(static_cast<std::uint32_t>(current_))) + filled_;
    const wire::FrameHeader header{.time = frames_,
                                   .captured = static_cast<std::uint32_t>(data.size()),
                                   .length = static_cast<std::uint32_t>(data.size()),
                                   .next = bytes,
                                   .dropped = 0,
                                   .link_type = 1,
                                   .flags = 0,
                                   .interface = 0,
                                   .vlan = 0};
    std::memcpy(place, &header, sizeof header);
    if (!data.empty()) std::memcpy(place + sizeof header, data.data(), data.size());
    ++frames_;
    filled_ += bytes;
    block(static_cast<std::uint32_t>(current_)).filled.store(filled_, std::memory_order_release);
    if (begins) offer();
    wake();
    return true;
  }

  // Sleeps until a block is free. False: none came within 20 s.
  bool publish_waiting(std::span<const std::byte> data) {
    while (!publish(data)) {
      std::atomic<std::uint32_t>& sleeps = port().demand.nic_sleeps;
      sleeps.store(1, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (publish(data)) {
        sleeps.store(0, std::memory_order_relaxed);
        return true;
      }
      pollfd bell{doorbell_.get(), POLLIN, 0};
      if (::poll(&bell, 1, 20'000) != 1) return false;
      std::uint64_t rings = 0;
      (void)!::read(doorbell_.get(), &rings, sizeof rings);
    }
    return true;
  }

  void close_block() {
    if (current_ < 0) return;
    block(static_cast<std::uint32_t>(current_))
        .filled.store(filled_ | wire::kBlockClosed, std::memory_order_release);
    current_ = -1;
    wake();
  }

  void end(wire::Status status) {
    close_block();
    end_with_open_block(status);
  }
  void end_with_open_block(wire::Status status) {
    port().offer.status.store(static_cast<std::int32_t>(status), std::memory_order_relaxed);
    port().offer.state.store(static_cast<std::uint32_t>(wire::RingState::kEnded),
                             std::memory_order_release);
    wake();
  }
  void hang_up() { pipe_write_.reset(); }
  // A byte for which nobody has said that he sleeps.
  void ring_for_nothing() { (void)!::write(pipe_write_.get(), "", 1); }

  // What a consumer has given back counts if it held it; false: it did not.
  bool take_back() {
    const std::uint64_t returned = port().demand.returned.load(std::memory_order_acquire);
    for (; taken_back_ < returned; ++taken_back_) {
      const std::uint32_t block =
          port().returned[taken_back_ % wire::kMaxRingBlocks].load(std::memory_order_relaxed);
      if (held_.erase(block) == 0) return false;
      free_.push_back(block);
    }
    return true;
  }
  std::size_t held() const { return held_.size(); }
  void offer_before(bool before) { flags_ = before ? wire::kBlockOfferedBefore : 0; }

  bool gone() const override { return gone_.load(std::memory_order_acquire); }
  void set_gone() { gone_.store(true, std::memory_order_release); }
  void ring_doorbell() override {
    doorbells_.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    (void)!::write(doorbell_.get(), &one, sizeof one);
  }
  std::uint64_t doorbells() const { return doorbells_.load(std::memory_order_relaxed); }

 private:
  bool begin_block() {
    if (!take_back()) throw std::logic_error("the consumer gave back what it did not hold");
    if (free_.empty()) return false;
    current_ = static_cast<int>(free_.front());
    free_.pop_front();
    held_.insert(static_cast<std::uint32_t>(current_));
    wire::BlockHeader& header = block(static_cast<std::uint32_t>(current_));
    header.flags = flags_;
    filled_ = wire::kBlockHeaderBytes;
    return true;
  }

  void offer() {
    __atomic_store_n(&port().offered[offered_ % wire::kMaxRingBlocks],
                     static_cast<std::uint32_t>(current_), __ATOMIC_RELAXED);
    port().offer.offered.store(++offered_, std::memory_order_release);
  }

  void wake() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::atomic<std::uint32_t>& sleeps = port().demand.consumer_sleeps;
    if (sleeps.load(std::memory_order_relaxed) == 0 || sleeps.exchange(0) != 1) return;
    const char byte = 0;
    (void)!::write(pipe_write_.get(), &byte, 1);
    port().counters.wakeups.fetch_add(1, std::memory_order_relaxed);
  }

  const std::uint32_t blocks_;
  const std::uint32_t block_bytes_;
  GuardedMemory port_memory_;
  GuardedMemory block_memory_;
  platform::FileDescriptor pipe_read_;
  platform::FileDescriptor pipe_write_;
  platform::FileDescriptor doorbell_;
  std::deque<std::uint32_t> free_;
  std::set<std::uint32_t> held_;
  int current_ = -1;
  std::uint64_t filled_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t offered_ = 0;
  std::uint64_t taken_back_ = 0;
  std::uint32_t flags_ = 0;
  std::atomic<std::uint64_t> doorbells_{0};
  std::atomic<bool> gone_{false};
};

}  // namespace vmmc::internal::testing
