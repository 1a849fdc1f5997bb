// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A host executor with a nicsim in the same process, and buffers that are lent to it.
//
// Threads and processes: as LocalNicsim. The thread sanitizer knows memory by its address: look at a
// buffer by Buffer::window there, as the executor does, and not by Buffer::memory.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "nicsim/wire/buffer_bell.h"
#include "platform/shared_memory.h"
#include "vmmc/internal/host_executor.h"
#include "vmmc/internal/send_queue.h"
#include "vmmc/internal/testing/local_nicsim.h"

namespace vmmc::internal::testing {

class HostRig {
 public:
  static constexpr std::uint64_t kPages = 4;
  static constexpr std::uint64_t kLength = kPages * wire::kPageSize;

  // One exporter's buffer, as the exporter sees it.
  struct Buffer {
    platform::FileDescriptor file;
    platform::SharedMapping memory;
    wire::BufferBell& bell() const {
      return *reinterpret_cast<wire::BufferBell*>(memory.data() + kLength);
    }
  };

  HostRig() {
    (void)space.reserve(1024 * wire::kPageSize, 1024 * wire::kPageSize);
    REQUIRE(HostExecutor::can_send());
  }

  Buffer make_buffer() {
    const std::uint64_t bytes = kLength + wire::kPageSize;
    Buffer buffer;
    buffer.file = std::move(platform::create_shared_memory("lent", bytes).value());
    buffer.memory = std::move(platform::SharedMapping::map(buffer.file.get(), bytes).value());
    return buffer;
  }

  // An import in this slot; each time of a new generation. `buffer_id` says which imports are of the
  // same buffer.
  Import make_import(std::uint32_t slot, std::uint32_t buffer_id, std::uint32_t access = kBoth) {
    const Import import{.slot = slot,
                        .generation = ++generation_,
                        .access = access,
                        .buffer_id = buffer_id,
                        .exporter = {2, 3},
                        .first = (1 + std::uint64_t{slot} * 8) * wire::kPageSize,
                        .length = kLength};
    say(import, wire::ImportPhase::kGrantedToHost);
    return import;
  }
  Import open(const Buffer& buffer, std::uint32_t slot = 5, std::uint32_t buffer_id = 7,
              std::uint32_t access = kBoth) {
    const Import import = make_import(slot, buffer_id, access);
    REQUIRE(host.join(import));
    REQUIRE_FALSE(host.open(import, buffer.file.get()).has_value());
    space.publish(import);
    return import;
  }
  void close(const Import& import) {
    (void)space.retract(space.address_of(import.first));
    host.close(import);
    (void)host.leave(import);
  }

  // What nicsim says of the import.
  void say(const Import& import, wire::ImportPhase phase) {
    nicsim.view().set_import_state(import.slot, import.generation, phase);
  }

  static RemoteBytes at(const Import& import, std::uint64_t offset) {
    return {import.slot, import.generation, import.first + offset};
  }
  std::byte* proxy(const Import& import, std::uint64_t offset = 0) const {
    return static_cast<std::byte*>(space.address_of(import.first + offset));
  }
  std::byte* window(const Import& import, std::uint64_t offset = 0) const {
    return static_cast<std::byte*>(space.window_of(import.first + offset));
  }
  bool send(const Import& import, std::uint64_t offset, std::uint64_t word) {
    return host.send(at(import, offset), reinterpret_cast<const std::byte*>(&word), sizeof word);
  }

  // Gives nicsim a transfer for the import; nicsim carries it out in nicsim.serve().
  std::uint64_t post(const Import& import) {
    SendQueue::Slot slot;
    REQUIRE(queue.begin(slot) == VMMC_OK);
    slot.descriptor->import_slot = import.slot;
    slot.descriptor->import_generation = import.generation;
    slot.descriptor->destination = import.first;
    return queue.publish(slot, {.place = wire::LocalPlace::kInline, .inline_length = 8});
  }

  wire::HostCounts& counts(const Import& import) {
    return nicsim.channel().host_counts[import.slot];
  }

  std::uint64_t counted_bytes(const Import& import) {
    const wire::HostCounts& counted = counts(import);
    return counted.transfers * sizeof(std::uint64_t) + counted.bytes_beyond_words;
  }

  static constexpr std::uint32_t kBoth = VMMC_READ | VMMC_WRITE;

  LocalNicsim nicsim{
      [](std::uint64_t, const nicsim::DescriptorCopy&) { return wire::Status::kOk; }};
  Waiter waiter{nicsim.channel()};
  std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
  DestinationSpace space;
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};
  HostExecutor host{nicsim.channel(), space, queue};

 private:
  std::uint32_t generation_ = 0;
};

}  // namespace vmmc::internal::testing
