// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// All that automatic update needs, with a nicsim in the same process that keeps every packet, and a
// capture that is told of stores instead of trapping them.
//
// Threads and processes: as LocalNicsim. What nicsim wrote may be looked at when it has stopped, or
// after settle().
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "platform/word_copy.h"
#include "vmmc/internal/automatic/automatic_update.h"
#include "vmmc/internal/automatic/typed_store.h"
#include "vmmc/internal/error.h"
#include "vmmc/internal/testing/send_rig.h"

namespace vmmc::internal::testing {

// Watched pages are write-protected, as they are by the real one.
class ToldCapture : public StoreCapture {
 public:
  using Error = std::optional<platform::SystemError>;

  Error watch(PageRange pages, std::byte* alias, StoreSink& sink) override {
    if (refusal != 0) return platform::SystemError{"watch", refusal};
    const std::lock_guard lock(one_store_at_a_time_);
    watches_[pages.begin] = {pages, alias, &sink};
    ::mprotect(pages.data(), pages.bytes(), PROT_READ);
    return std::nullopt;
  }
  Error unwatch(PageRange pages) override {
    if (refusal != 0) return platform::SystemError{"unwatch", refusal};
    const std::lock_guard lock(one_store_at_a_time_);
    watches_.erase(pages.begin);
    ::mprotect(pages.data(), pages.bytes(), PROT_READ | PROT_WRITE);
    return std::nullopt;
  }
  void abandon_in_child() override { ++abandoned; }

  // What the program's store would do. All signals are blocked meanwhile, as in the handler of the
  // real one.
  template <typename Word>
  void store(Word* address, Word value) {
    store_bytes(address, &value, sizeof value);
  }
  void store_bytes(void* address, const void* bytes, std::size_t length) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    {
      const std::lock_guard lock(one_store_at_a_time_);
      make(at, static_cast<const std::byte*>(bytes), length);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  std::size_t watched() const { return watches_.size(); }

  int refusal = 0;
  int abandoned = 0;

 private:
  void make(std::uintptr_t at, const std::byte* bytes, std::size_t length) {
    const Watch& watch = std::prev(watches_.upper_bound(at))->second;
    platform::copy_words(watch.alias + (at - watch.pages.begin), bytes, length);
    watch.sink->stored(reinterpret_cast<const void*>(at), length);
  }

  struct Watch {
    PageRange pages;
    std::byte* alias;
    StoreSink* sink;
  };
  std::mutex one_store_at_a_time_;
  std::map<std::uintptr_t, Watch> watches_;
};

// Keeps what is declared and has not ended.
class KeptDeclarations final : public BindingDeclarer {
 public:
  std::uint32_t declare(const BindingDeclaration& binding) override {
    const std::lock_guard lock(mutex_);
    held_.emplace(++last_, binding);
    return last_;
  }
  void end(std::uint32_t number) override {
    const std::lock_guard lock(mutex_);
    ended_of_none_ += held_.erase(number) == 0 ? 1 : 0;
  }
  const std::map<std::uint32_t, BindingDeclaration>& held() const { return held_; }
  int ended_of_none() const { return ended_of_none_; }

 private:
  std::mutex mutex_;
  std::map<std::uint32_t, BindingDeclaration> held_;
  std::uint32_t last_ = 0;
  int ended_of_none_ = 0;
};

// Private pages of the program.
class ProgramPages {
 public:
  explicit ProgramPages(std::size_t pages) : bytes_(pages * wire::kPageSize) {
    void* mapped =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(mapped);
  }
  ~ProgramPages() { ::munmap(data_, bytes_); }
  ProgramPages(const ProgramPages&) = delete;
  ProgramPages& operator=(const ProgramPages&) = delete;

  std::byte* at(std::size_t offset = 0) const { return data_ + offset; }
  template <typename Word>
  Word* word(std::size_t offset) const {
    return reinterpret_cast<Word*>(data_ + offset);
  }

 private:
  std::size_t bytes_;
  std::byte* data_;
};

struct SeenPacket {
  std::uint64_t offset;  // of the first byte in the remote buffer
  std::vector<std::byte> bytes;
  bool notify = false;
};

class AutomaticRig {
 public:
  static constexpr std::uint64_t kFirst = 4 * wire::kPageSize;  // of the proxy in the space
  static constexpr std::uint64_t kLength = 16 * wire::kPageSize;
  static constexpr std::uint32_t kSlot = 5;
  static constexpr std::uint32_t kGeneration = 9;

  AutomaticRig() {
    (void)space.reserve(1024 * wire::kPageSize, 1024 * wire::kPageSize);
    space.publish(import);
    say(wire::ImportPhase::kGranted);
  }

  void say(wire::ImportPhase phase) { nicsim.view().set_import_state(kSlot, kGeneration, phase); }
  std::byte* proxy(std::uint64_t offset = 0) const {
    return static_cast<std::byte*>(space.address_of(kFirst + offset));
  }
  vmmc_binding* bind(void* address, std::size_t length, const vmmc_bind_options& options,
                     std::uint64_t offset = 0) {
    vmmc_binding* handle = nullptr;
    if (update.bind(address, proxy(offset), length, options, &handle) != VMMC_OK) {
      throw std::runtime_error(last_error());
    }
    return handle;
  }

  // Flushes, and lets nicsim carry out what has been posted; by hand.
  std::vector<SeenPacket>& settle() {
    update.flush();
    while (nicsim.serve(1000) > 0) {
    }
    return packets;
  }

  // What nicsim says of every further packet.
  std::atomic<wire::Status> verdict{wire::Status::kOk};
  std::vector<std::byte> remote = std::vector<std::byte>(kLength);
  std::vector<SeenPacket> packets;  // that have been carried out
  std::uint64_t refused = 0;
  std::uint64_t malformed = 0;  // descriptors that no correct client would publish
  std::function<void(const SeenPacket&)> on_packet;

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
  SendQueue queue{nicsim.channel(), waiter, nicsim.doorbell(), strategy};
  ToldCapture capture;
  HostExecutor host{nicsim.channel(), space, queue};
  KeptDeclarations declarations;
  AutomaticUpdate update{nicsim.channel(), waiter,      space, segments, queue, host,
                         capture,          declarations};

 private:
  wire::Status carry(const nicsim::DescriptorCopy& copy) {
    const auto place = static_cast<wire::LocalPlace>(wire::header_place(copy.header));
    const bool in_line = place == wire::LocalPlace::kInline;
    const std::uint64_t length =
        in_line ? wire::header_inline_length(copy.header) : copy.local.length;
    const std::byte* source =
        in_line ? copy.inline_data : nicsim.view().staging() + copy.local.address;
    SeenPacket packet{copy.destination - kFirst, {source, source + length}};
    packet.notify = wire::header_flags(copy.header) == wire::kNotify;
    if (!is_well_formed(copy, place, length, packet.notify)) {
      ++malformed;
      return wire::Status::kMalformed;
    }
    if (verdict != wire::Status::kOk) {
      ++refused;
      return verdict;
    }
    std::memcpy(remote.data() + packet.offset, source, length);
    if (on_packet) on_packet(packet);
    packets.push_back(std::move(packet));
    return wire::Status::kOk;
  }

  static bool is_well_formed(const nicsim::DescriptorCopy& copy, wire::LocalPlace place,
                             std::uint64_t length, bool notify) {
    const std::uint64_t first = copy.destination;
    if (place != wire::LocalPlace::kInline && place != wire::LocalPlace::kStaged) return false;
    if (place == wire::LocalPlace::kStaged && length <= wire::kInlineBytes) return false;
    if (notify && (length > wire::kWordSize || copy.inline_notify.immediate != 0)) return false;
    return wire::header_operation(copy.header) ==
               static_cast<std::uint8_t>(wire::Operation::kAutomaticUpdate) &&
           copy.import_slot == kSlot && copy.import_generation == kGeneration && length > 0 &&
           first >= kFirst && first - kFirst + length <= kLength &&
           first / wire::kPageSize == (first + length - 1) / wire::kPageSize;
  }
};

// Three threads whose signal handlers store, too. What is stored while one of them, or nicsim, stands
// still is kept, but only so much of it: so they keep together, and near nicsim.
class StayTogether {
 public:
  explicit StayTogether(const SendQueue& queue) : queue_(queue) {}

  // The member begins the round, in which so many of its handlers may store.
  static constexpr unsigned kHandlers = 4;
  void begin(std::size_t member, std::uint64_t round) {
    rounds_[member] = round;
    const std::uint64_t posted = queue_.posted();
    const std::uint64_t completed = posted < kAhead ? 0 : posted - kAhead;
    while (last() + 1 < round || !queue_.has_completed(completed)) ::sched_yield();
  }
  void leave(std::size_t member) { rounds_[member] = UINT64_MAX; }

 private:
  static constexpr std::uint64_t kAhead = 200;

  std::uint64_t last() const {
    return std::min({rounds_[0].load(), rounds_[1].load(), rounds_[2].load()});
  }

  const SendQueue& queue_;
  std::array<std::atomic<std::uint64_t>, 3> rounds_{};
};

}  // namespace vmmc::internal::testing
