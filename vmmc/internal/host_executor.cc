// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/host_executor.h"

#include <sched.h>
#include <sys/mman.h>

#include <cerrno>

#include "nicsim/wire/buffer_bell.h"
#include "platform/atomic_word.h"
#include "platform/membarrier.h"
#include "platform/system_calls.h"
#include "platform/word_copy.h"
#include "vmmc/internal/memory/page_range.h"
#include "vmmc/internal/scattered_source.h"

namespace vmmc::internal {
namespace {

using host_executor::kClosed;
using host_executor::kManyThreads;

// Of Record::owner, beside the owner: it is about to be kManyThreads. (Thread pointers are aligned.)
constexpr std::uintptr_t kChanging = 2;

// Puts a mapping of `memory` at its place in the window; of nothing (-1) when it ends.
platform::Result<void*> map_at(void* place, std::size_t bytes, int rights, int memory) {
  const int flags = memory < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
                               : MAP_SHARED | MAP_POPULATE;  // no fault during the first send
  void* mapped = platform::system_calls().mmap(place, bytes, rights, flags | MAP_FIXED, memory, 0);
  if (mapped == MAP_FAILED) return platform::last_system_error("mmap");
  if (memory >= 0) ::madvise(mapped, bytes, MADV_DONTFORK);
  return mapped;
}

std::size_t mapped_bytes(const Import& import) {
  return round_up_to_page(import.length) + wire::kPageSize;
}

// What nicsim says of an import while it may be served here.
std::uint32_t granted_state_of(std::uint32_t generation) {
  return wire::make_import_state(generation, wire::ImportPhase::kGrantedToHost);
}

// Whether the record is the calling thread's, or was until a second one began to take it.
bool is_or_was_mine(const host_executor::record& record) {
  return (record.owner.load(std::memory_order_relaxed) & ~kChanging) ==
         host_executor::this_thread();
}

bool is_inside_buffer(const host_executor::record& record, std::uint64_t offset,
                      std::size_t length) {
  return offset <= record.last_word && length > 0 &&
         length <= record.last_word + sizeof(std::uint64_t) - offset;
}

// Nobody is busy any more: REQUIRES that the record has been closed, and that this thread is not busy
// in it itself.
void await_leaving(host_executor::record& record) {
  platform::fence_process();
  while (record.busy.load(std::memory_order_acquire) != 0 ||
         record.busy_others.load(std::memory_order_acquire) != 0) {
    ::sched_yield();
  }
}

// Visits of this thread to records that it does not own.
[[gnu::tls_model("initial-exec")]] thread_local constinit std::uint32_t visits = 0;

}  // namespace

HostExecutor::Visit::Visit(HostExecutor& executor, const RemoteBytes& remote, Patience patience)
    : record_(record_at(remote.import_slot)), granted_(granted_state_of(remote.import_generation)) {
  if (record_.granted_state.load(std::memory_order_relaxed) != granted_) return;
  alone_ = is_mine(record_);
  if (!alone_ && record_.owner.load(std::memory_order_acquire) != kManyThreads &&
      (patience == Patience::kDoesNot || !executor.share(record_))) {
    return;
  }
  inside_ = executor.reopen(record_, granted_, alone_, patience) && enter();
  // Only now does nobody take the record away, or give it to another import.
  if (inside_ && record_.granted_state.load(std::memory_order_relaxed) != granted_) {
    leave();
    inside_ = false;
  }
  if (inside_) host_executor::recent = &record_;
}

// The record belongs to who comes first. (Of an import without VMMC_WRITE to nobody: see open().)
bool HostExecutor::Visit::is_mine(Record& record) {
  const std::uintptr_t me = host_executor::this_thread();
  std::uintptr_t owner = record.owner.load(std::memory_order_relaxed);
  return owner == me ||
         (owner == 0 && record.owner.compare_exchange_strong(owner, me, std::memory_order_relaxed));
}

bool HostExecutor::Visit::enter() {
  if (alone_) return host_executor::enter(record_, before_);
  ++visits;
  record_.busy_others.fetch_add(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (record_.state->load(std::memory_order_acquire) ==
      record_.open_to_many.load(std::memory_order_relaxed)) {
    return true;
  }
  leave();
  return false;
}

void HostExecutor::Visit::leave() {
  if (alone_) {
    host_executor::leave(record_, before_);
  } else {
    record_.busy_others.fetch_sub(1, std::memory_order_release);
    --visits;
  }
}

void HostExecutor::Visit::arrived(std::uint64_t offset, std::uint64_t length) {
  if (alone_) {
    host_executor::arrive(record_, offset, length, before_);
    inside_ = false;
    return;
  }
  std::atomic_ref(record_.counts[0]).fetch_add(1, std::memory_order_relaxed);
  std::atomic_ref(record_.counts[1])
      .fetch_add(length - sizeof(std::uint64_t), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (record_.armed->load(std::memory_order_relaxed) != 0) [[unlikely]]
    host_executor::ring(record_, offset, length);
}

// Open to the owner, or to many, if nothing is in the way. (And if it still is the record of the same
// import.)
bool HostExecutor::reopen(Record& record, std::uint32_t granted, bool alone,
                          Visit::Patience patience) {
  const auto is_granted = [&] {
    return record.granted_state.load(std::memory_order_relaxed) == granted;
  };
  if (!is_granted() || record.state->load(std::memory_order_acquire) != granted) return false;
  if (open_state(record, alone).load(std::memory_order_relaxed) == granted) return true;
  const auto nothing_under_way = [&] {
    return queue_.has_completed(record.pending.load(std::memory_order_relaxed));
  };
  if (!nothing_under_way()) return false;
  const auto open = [&] {
    const bool still_mine =
        record.owner.load(std::memory_order_relaxed) == host_executor::this_thread();
    if (!nothing_under_way() || !is_granted() || alone != still_mine) return false;
    open_state(record, alone).store(granted, std::memory_order_relaxed);
    // close_all() does not ask for the lock.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (is_granted()) return true;
    open_state(record, alone).store(kClosed, std::memory_order_relaxed);
    return false;
  };
  return patience == Visit::Patience::kWaits ? queue_.while_locked(open)
                                             : queue_.try_while_locked(open);
}

// A second thread has come. The owner adds to the counts without atomic operations, so it must not be
// at it when others begin. False: it still is, or the send queue is this thread's; nicsim is to be
// asked then. Whoever is told so may be in a signal handler that the owner, or the queue, waits for.
bool HostExecutor::share(Record& record) {
  std::uintptr_t owner = record.owner.load(std::memory_order_acquire);
  if (owner == kManyThreads) return true;
  if (owner == (host_executor::this_thread() | kChanging)) return false;
  int patience = 0;  // who finds the change begun looks once
  if ((owner & kChanging) == 0) {
    const auto take = [&] {
      if (!record.owner.compare_exchange_strong(owner, owner | kChanging,
                                                std::memory_order_acq_rel)) {
        return false;
      }
      record.open_state.store(kClosed, std::memory_order_relaxed);  // for good
      return true;
    };
    if (!queue_.while_locked(take)) return false;
    owner |= kChanging;
    constexpr int kPatience = 1000;
    patience = kPatience;
  }
  platform::fence_process();
  for (; record.busy.load(std::memory_order_acquire) != 0; --patience) {
    if (patience == 0) return false;
    ::sched_yield();
  }
  // By now it may be another import's.
  return record.owner.compare_exchange_strong(owner, kManyThreads, std::memory_order_acq_rel) ||
         owner == kManyThreads;
}

bool HostExecutor::can_send() {
  static const bool can = platform::register_for_membarriers();
  return can;
}

bool HostExecutor::can_receive() {
  static const bool can = can_send() && platform::can_wait_for_two();
  return can;
}

bool HostExecutor::join(const Import& import) {
  Record& record = record_at(import.slot);
  const auto [place, first] = buffers_.try_emplace(buffer_of(import), &record);
  Record& known = *place->second;
  const bool joined = queue_.while_locked([&] {
    // What has been given to nicsim by another import may be under way.
    record.pending.store(first ? 0 : queue_.posted(), std::memory_order_relaxed);
    record.shown = !first && known.shown;
    if (first) return true;
    record.next_of_buffer = known.next_of_buffer == nullptr ? &known : known.next_of_buffer;
    known.next_of_buffer = &record;
    return true;
  });
  if (!joined && first) buffers_.erase(place);
  return joined;
}

void HostExecutor::note_shown(const Import& import) {
  (void)queue_.while_locked([&] {
    Record* record = &record_at(import.slot);
    do {
      record->shown = true;
      record = record->next_of_buffer;
    } while (record != nullptr && record != &record_at(import.slot));
    return true;
  });
}

bool HostExecutor::leave(const Import& import) {
  Record& record = record_at(import.slot);
  const auto place = buffers_.find(buffer_of(import));
  if (place == buffers_.end()) return true;
  Record* const next = record.next_of_buffer;
  if (next == nullptr) {
    if (place->second == &record) buffers_.erase(place);
    return true;
  }
  const bool left = queue_.while_locked([&] {
    Record* before = next;
    while (before->next_of_buffer != &record) before = before->next_of_buffer;
    before->next_of_buffer = before == next ? nullptr : next;
    record.next_of_buffer = nullptr;
    return true;
  });
  if (left) place->second = next;
  return left;
}

std::optional<platform::SystemError> HostExecutor::open(const Import& import, int memory) {
  if (import.length < wire::kLeastLentBytes) return platform::SystemError{"mmap", EINVAL};
  const int rights = PROT_READ | ((import.access & VMMC_WRITE) != 0 ? PROT_WRITE : 0);
  auto mapped = map_at(space_.window_of(import.first), mapped_bytes(import), rights, memory);
  if (!mapped.ok()) return mapped.error();
  Record& record = record_at(import.slot);
  // Owned by many, so that a store looks at the rights first.
  record.owner.store((import.access & VMMC_WRITE) != 0 ? 0 : kManyThreads,
                     std::memory_order_relaxed);
  record.state = &channel_.import_states[import.slot];
  record.memory = static_cast<std::byte*>(mapped.value());
  record.counts = reinterpret_cast<std::uint64_t*>(&channel_.host_counts[import.slot]);
  const auto* const bell =
      reinterpret_cast<const wire::BufferBell*>(record.memory + round_up_to_page(import.length));
  record.armed = &bell->armed;
  record.last_word = import.length - sizeof(std::uint64_t);
  record.proxy = static_cast<const std::byte*>(space_.address_of(import.first));
  record.local = import.local;
  record.demanded.store(import.host_demanded, std::memory_order_relaxed);
  // The first visit opens it.
  record.granted_state.store(granted_state_of(import.generation), std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ended_.load(std::memory_order_relaxed)) shut(record);
  return std::nullopt;
}

// REQUIRES: no other thread is in reopen(), or ended_ is set.
void HostExecutor::shut(Record& record) {
  record.granted_state.store(kClosed, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  record.open_state.store(kClosed, std::memory_order_relaxed);
  record.open_to_many.store(kClosed, std::memory_order_relaxed);
}

void HostExecutor::close(const Import& import) {
  Record& record = record_at(import.slot);
  if (record.memory == nullptr) return;
  record.demanded.store(false, std::memory_order_relaxed);
  queue_.while_locked([&] {
    shut(record);
    return true;
  });
  await_leaving(record);
  record.owner.store(0, std::memory_order_relaxed);
  record.memory = nullptr;
  record.proxy = nullptr;
  record.local = nullptr;
  (void)map_at(space_.window_of(import.first), mapped_bytes(import), PROT_NONE, -1);
}

void HostExecutor::close_all() {
  ended_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (Record& record : host_executor::records) {
    if (record.granted_state.load(std::memory_order_relaxed) != kClosed) shut(record);
  }
}

// The other threads do not exist here, and those that were busy never leave.
void HostExecutor::abandon_in_child() {
  close_all();
  for (Record& record : host_executor::records) {
    if (record.next_of_buffer != nullptr) record.next_of_buffer = nullptr;
    if (record.state == &host_executor::kNoState) continue;
    if (!is_or_was_mine(record)) record.busy.store(0, std::memory_order_relaxed);
    record.busy_others.store(0, std::memory_order_relaxed);
    forget(record);
  }
}

void HostExecutor::forget(Record& record) {
  record.owner.store(0, std::memory_order_relaxed);
  record.state = &host_executor::kNoState;
  record.memory = nullptr;
  record.local = nullptr;
  record.proxy = nullptr;
}

bool HostExecutor::is_inside(const Import& import) const {
  const Record& record = record_at(import.slot);
  if (visits != 0 || queue_.held()) return true;
  return is_or_was_mine(record) && record.busy.load(std::memory_order_relaxed) != 0;
}

// The window goes with the destination space, the channel with the attachment.
HostExecutor::~HostExecutor() {
  close_all();
  for (Record& record : host_executor::records) {
    if (record.next_of_buffer != nullptr) record.next_of_buffer = nullptr;
    if (record.state != &host_executor::kNoState) forget(record);
  }
}

host_executor::record* HostExecutor::find(const void* proxy) const {
  const std::uint32_t entry = space_.entry_of(proxy);
  if (entry == 0 || record_at(entry - 1).proxy != proxy) return nullptr;
  return may_serve(entry - 1) ? &record_at(entry - 1) : nullptr;
}

// Whether local memory may be in these bytes of the buffer: they must not be copied in the order that
// suits us.
bool HostExecutor::is_local(const Record& record, std::uint64_t offset, const std::byte* memory,
                            std::size_t length) {
  if (record.shown) return true;
  if (record.local == nullptr) return false;
  const auto first = reinterpret_cast<std::uintptr_t>(record.local) + offset;
  const auto other = reinterpret_cast<std::uintptr_t>(memory);
  return first < other + length && other < first + length;
}

std::byte* HostExecutor::mapping_of(const Import& import) const {
  const Record& record = record_at(import.slot);
  const bool granted =
      record.granted_state.load(std::memory_order_relaxed) == granted_state_of(import.generation);
  return granted ? record.memory : nullptr;
}

// Whoever jumps out of the fault that a bad source raises is in no record.
bool HostExecutor::try_send(const void* source, const void* proxy, std::size_t length) {
  Record& record = *host_executor::recent;
  const std::uint64_t offset = offset_in(record, proxy);
  const auto* const from = static_cast<const std::byte*>(source);
  if (source == nullptr || !is_inside_buffer(record, offset, length) ||
      is_local(record, offset, from, length)) {
    return false;
  }
  touch(from, length);
  std::uint32_t before = 0;
  if (!host_executor::enter(record, before)) return false;
  platform::copy_words(record.memory + offset, from, length);
  host_executor::arrive(record, offset, length, before);
  return true;
}

// A binding outlives its import: the record may be another one's by now.
bool HostExecutor::try_update(const RemoteBytes& remote, std::uint64_t offset,
                              const std::byte* source, std::size_t length) {
  Visit visit(*this, remote, Visit::Patience::kDoesNot);
  if (!visit) return false;
  platform::copy_words(record_at(remote.import_slot).memory + offset, source, length);
  visit.arrived(offset, length);
  updates_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool HostExecutor::send(const RemoteBytes& remote, const std::byte* source, std::size_t length) {
  Record& record = record_at(remote.import_slot);
  Visit visit(*this, remote);
  if (!visit) return false;
  const std::uint64_t offset = offset_in(record, remote);
  if (is_local(record, offset, source, length)) return false;
  platform::copy_words(record.memory + offset, source, length);
  visit.arrived(offset, length);
  return true;
}

bool HostExecutor::fetch(const RemoteBytes& remote, std::byte* destination, std::size_t length) {
  Record& record = record_at(remote.import_slot);
  const Visit visit(*this, remote);
  if (!visit) return false;
  const std::uint64_t offset = offset_in(record, remote);
  if (is_local(record, offset, destination, length)) return false;
  // Carried out after what this thread has sent: its stores may still be on their way to memory.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  platform::read_words(destination, record.memory + offset, length);
  std::atomic_thread_fence(std::memory_order_acquire);
  fetches_.fetch_add(1, std::memory_order_relaxed);
  bytes_fetched_.fetch_add(length, std::memory_order_relaxed);
  return true;
}

bool HostExecutor::change_word(const RemoteBytes& remote, const wire::AtomicOperands& operands,
                               std::uint64_t* previous) {
  Record& record = record_at(remote.import_slot);
  Visit visit(*this, remote);
  if (!visit) return false;
  const std::uint64_t offset = offset_in(record, remote);
  *previous = platform::change_word(
      record.memory + offset, {static_cast<platform::WordChange>(operands.kind), operands.width,
                               operands.operand, operands.expected});
  visit.arrived(offset, operands.width);
  atomics_.fetch_add(1, std::memory_order_relaxed);
  atomic_bytes_.fetch_add(operands.width, std::memory_order_relaxed);
  return true;
}

}  // namespace vmmc::internal
