// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// All that deliberate update needs, with a nicsim in the same process that moves the bytes of every
// send into one "remote" buffer.
//
// Threads and processes: as LocalNicsim. What nicsim wrote may be looked at after a fence.
#pragma once

#include <cstring>
#include <map>
#include <vector>

#include "vmmc/internal/deliberate_update.h"
#include "vmmc/internal/testing/local_nicsim.h"

namespace vmmc::internal::testing {

// Keeps the segments as nicsim does: by mappings of its own.
class LocalRegistrar : public SegmentRegistrar {
 public:
  int register_segment(int fd, std::size_t bytes, bool, std::uint32_t* id) override {
    *id = ++last_;
    segments_[*id] = std::move(platform::SharedMapping::map(fd, bytes).value());
    return VMMC_OK;
  }
  void release_segment(std::uint32_t id) override { segments_.erase(id); }
  void settle_transfers() override {}

  const std::byte* find(std::uint32_t id) const {
    const auto found = segments_.find(id);
    return found == segments_.end() ? nullptr : found->second.data();
  }

 private:
  std::map<std::uint32_t, platform::SharedMapping> segments_;
  std::uint32_t last_ = 0;
};

class SendRig {
 public:
  static constexpr std::uint64_t kFirst = 3 * wire::kPageSize + 8;  // of the proxy in the space
  static constexpr std::uint64_t kLength = 600'000;                 // bytes
  static constexpr std::uint32_t kSlot = 5;
  static constexpr std::uint32_t kGeneration = 9;

  explicit SendRig(bool can_read_memory = true)
      : update(nicsim.channel(), admission, segments, registrations, queue, completion, host,
               can_read_memory) {
    (void)space.reserve(1024 * wire::kPageSize, 1024 * wire::kPageSize);
    space.publish(import);
    nicsim.view().set_import_state(kSlot, kGeneration, wire::ImportPhase::kGranted);
  }

  std::byte* proxy(std::uint64_t offset = 0) const {
    return static_cast<std::byte*>(space.address_of(kFirst + offset));
  }

  // What nicsim says of every further send.
  std::atomic<wire::Status> verdict{wire::Status::kOk};
  std::vector<std::byte> remote = std::vector<std::byte>(kLength);
  std::vector<wire::LocalPlace> kinds;  // of the descriptors so far
  std::uint64_t malformed = 0;          // descriptors that no correct client would publish

  LocalRegistrar registrar;
  LocalNicsim nicsim{
      [this](std::uint64_t, const nicsim::DescriptorCopy& copy) { return carry(copy); }};
  Waiter waiter{nicsim.channel()};
  std::atomic<vmmc_wait_strategy> strategy{VMMC_WAIT_ADAPTIVE};
  Import import{.slot = kSlot,
                .generation = kGeneration,
                .access = VMMC_WRITE,
                .buffer_id = 77,
                .exporter = {2, 3},
                .first = kFirst,
                .length = kLength};
  DestinationSpace space;
  SharedSegments segments{registrar};
  RegistrationCache registrations{segments};
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};
  Admission admission{nicsim.channel(), waiter, space};
  Completion completion{waiter, space, queue};
  HostExecutor host{nicsim.channel(), space, queue};
  DeliberateUpdate update;

 private:
  wire::Status carry(const nicsim::DescriptorCopy& copy) {
    const auto kind = static_cast<wire::LocalPlace>(wire::header_place(copy.header));
    kinds.push_back(kind);
    const bool in_line = kind == wire::LocalPlace::kInline;
    const std::uint64_t length =
        in_line ? wire::header_inline_length(copy.header) : copy.local.length;
    const std::byte* source = in_line ? copy.inline_data : find_source(kind, copy.local);
    if (source == nullptr || copy.import_slot != kSlot || copy.import_generation != kGeneration ||
        copy.destination < kFirst || copy.destination - kFirst + length > kLength) {
      ++malformed;
      return wire::Status::kMalformed;
    }
    if (verdict == wire::Status::kOk) {
      std::memcpy(remote.data() + (copy.destination - kFirst), source, length);
    }
    return verdict;
  }

  const std::byte* find_source(wire::LocalPlace kind, const wire::LocalBytes& source) {
    switch (kind) {
      case wire::LocalPlace::kStaged:
        return nicsim.view().staging() + source.address;
      case wire::LocalPlace::kSegment: {
        const std::byte* segment = registrar.find(source.segment);
        return segment == nullptr ? nullptr : segment + source.address;
      }
      case wire::LocalPlace::kMemory:
        return reinterpret_cast<const std::byte*>(source.address);
      case wire::LocalPlace::kInline:
        break;
    }
    return nullptr;
  }
};

}  // namespace vmmc::internal::testing
