// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// One binding: which local pages, where their stores go, and how they are combined.
//
// Threads: what stands under 'fixed' changes only while nobody can know the binding; the rest
// belongs to the owner of the packetizer's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nicsim/wire/buffer_bell.h"
#include "vmmc/internal/automatic/combining_buffer.h"
#include "vmmc/internal/automatic/store_sink.h"
#include "vmmc/internal/host_records.h"
#include "vmmc/internal/memory/page_range.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

class Packetizer;

struct Binding final : StoreSink {
  static constexpr std::uint64_t kLive = 0x676e69646e696221;

  // `kLive` from vmmc_bind to vmmc_unbind.
  std::atomic<std::uint64_t> mark{0};

  // Fixed.
  PageRange pages;
  std::ptrdiff_t to_alias = 0;  // from an address in the pages to where it can be written
  Packetizer* packetizer = nullptr;
  PacketUnit unit = PacketUnit::kRun;
  bool notify = false;
  std::uint8_t combining = 0;  // in simulated time: what nicsim's packetizer is asked for
  std::uint64_t timer = 0;     // ns that a packet may stay open; 0: any time
  int capture = VMMC_CAPTURE_TRAP;
  std::uint32_t import_slot = 0;
  std::uint32_t import_generation = 0;
  std::uint64_t destination = 0;    // of the first byte, from the start of the destination space
  std::uint64_t buffer_offset = 0;  // of the first byte, in the buffer
  std::uint32_t declared = 0;       // by which its declarer knows it

  // Shared capture: whom to wake. nullptr: the pages are not the remote ones any more.
  std::atomic<wire::BufferBell*> bell{nullptr};

  Binding* next = nullptr;  // of the same packetizer
  bool silent = false;      // the import has ended, and the next fence says so or has said so
  bool posted = false;      // last_ticket counts
  std::uint64_t last_ticket = 0;

  std::byte* writable(std::uintptr_t address) const {
    return reinterpret_cast<std::byte*>(address) + to_alias;
  }
  bool holds(std::uintptr_t address, std::size_t length) const {
    const std::uintptr_t offset = address - pages.begin;
    return offset < pages.bytes() && length <= pages.bytes() - offset;
  }

  void stored(const void* address, std::size_t length) override;

  // Shared capture: wakes the receiver if it waits for these bytes, which have been stored.
  void arrived(std::uintptr_t address, std::size_t length) {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // see nicsim/wire/buffer_bell.h
    wire::BufferBell* const to_ring = bell.load(std::memory_order_acquire);
    if (to_ring == nullptr || to_ring->armed.load(std::memory_order_relaxed) == 0) return;
    host_executor::ring(*to_ring, buffer_offset + (address - pages.begin), length);
  }
  // The same for any bytes.
  void announce_stores() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    wire::BufferBell* const to_ring = bell.load(std::memory_order_acquire);
    if (to_ring == nullptr || to_ring->armed.load(std::memory_order_relaxed) == 0) return;
    host_executor::ring_for_any(*to_ring);
  }
};

}  // namespace vmmc::internal
