// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The host executor: the sender's own core moves the bytes, on a mapping of exactly the imported
// pages that nicsim handed over because the exporter's rights allow it.
//
//   destination space   proxies, never accessible      base ... base + bytes
//   window              the mappings, at the same distance behind each proxy
//
// Threads and processes
//   send(), fetch(), change_word() and what is inline in vmmc/host_executor.hpp: any thread and
//   signal handlers, no lock but the send queue's for a moment after nicsim had something to do for
//   this import. join(), leave(), open(): one thread at a time (a mutex of the caller). close(): any
//   thread, once for each open(), without a lock that a signal handler could wait for.
//
// Order
//   What a call here stores is in the receiver's memory when the call returns. A transfer that is
//   given to nicsim closes the records of its buffer until it has been carried out
//   (SendQueue::publish), so everything after it goes to nicsim, too: nothing is overtaken. (A process
//   may import a buffer more than once: the records of all its imports are closed.) The other way
//   round there is nothing to wait for.
//
// Who may close a record
//   nicsim, by the import's state: it has taken the buffer back, or somebody watches the transfers.
//   A posted transfer, until it has completed. close(), for good: it returns when no thread is in the
//   record any more. close_all(): nicsim has ended. abandon_in_child(): this is a forked child.
//   While a second thread makes itself known (share()), others ask nicsim: one of them may be a
//   signal handler, and what it interrupted the thread that it would wait for.
//
// What a crash at any instruction leaves behind
//   Words that were stored, whole, and an exporter who is told by nicsim. A thread that dies inside
//   takes the process with it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include "nicsim/wire/channel.h"
#include "nicsim/wire/send_descriptor.h"
#include "platform/result.h"
#include "platform/word_copy.h"
#include "vmmc/internal/admission.h"
#include "vmmc/internal/destination_space.h"
#include "vmmc/internal/host_records.h"
#include "vmmc/internal/send_queue.h"

namespace vmmc::internal {

class HostExecutor {
 public:
  HostExecutor(wire::Channel& channel, const DestinationSpace& space, SendQueue& queue)
      : channel_(channel), space_(space), queue_(queue) {}
  // Closes everything. REQUIRES: no other thread is in a call.
  ~HostExecutor();
  HostExecutor(const HostExecutor&) = delete;
  HostExecutor& operator=(const HostExecutor&) = delete;

  // Whether this system can do what the protocol needs: of senders, and of sleeping receivers.
  static bool can_send();
  static bool can_receive();

  // Of every import, whoever serves it: join() before anything is sent by it, leave() when nothing is
  // any more. False, and nothing done: a signal handler that interrupted a send of its thread.
  bool join(const Import& import);
  bool leave(const Import& import);

  // Some local pages are the buffer's own from now on: what is sent and fetched may overlap.
  void note_shown(const Import& import);

  // Maps what nicsim lent for an import that has joined and is not in use yet: its pages and their bell.
  std::optional<platform::SystemError> open(const Import& import, int memory);
  // Nothing if it was not opened. REQUIRES: not is_inside().
  void close(const Import& import);
  // No call begins any more, for good; async-signal-safe.
  void close_all();
  // The same in a forked child, where nothing that nicsim shared is there any more.
  void abandon_in_child();

  // Whether the caller is a signal handler that interrupted a transfer of its thread here, perhaps of
  // this import.
  bool is_inside(const Import& import) const;

  // The calls return false if the import is not open now: then nothing has happened, and nicsim is to
  // be asked. The transfer has been admitted, its local memory can be accessed.
  bool send(const RemoteBytes& remote, const std::byte* source, std::size_t length);
  // The same for bytes that `fill(to, n)` brings, in order.
  template <typename Fill>
  bool send_filled(const RemoteBytes& remote, std::size_t length, Fill& fill);
  bool fetch(const RemoteBytes& remote, std::byte* destination, std::size_t length);
  // The word is aligned.
  bool change_word(const RemoteBytes& remote, const wire::AtomicOperands& operands,
                   std::uint64_t* previous);

  // Several threads will use the import: no one gets to own its record. As a thread that transfers, to
  // be called without any lock that a signal handler could wait for.
  void expect_threads(const Import& import) {
    if (may_serve(import.slot)) (void)share(record_at(import.slot));
  }

  // A packet of automatic update, for which nothing has been checked. Waits for nobody: also false if
  // that would be needed, for a lock or because another thread is at home in the record.
  bool try_update(const RemoteBytes& remote, std::uint64_t offset, const std::byte* source,
                  std::size_t length);

  // Whether the calling thread's last transfer here was by the import that holds this address.
  static bool is_recent(const void* proxy) {
    const Record& record = *host_executor::recent;
    return offset_in(record, proxy) <= record.last_word;
  }
  // A send as vmmc_send has it, before any check, of 8 bytes and of any length: false if it is not by
  // the import that this thread used last, or if that is not open to this thread alone; then nothing
  // has happened.
  static bool try_send_word(const void* source, const void* proxy);
  static bool try_send(const void* source, const void* proxy, std::size_t length);

  // Whether transfers of this import may be done here at all (perhaps not at this moment).
  static bool may_serve(std::uint32_t slot) {
    return record_at(slot).granted_state.load(std::memory_order_relaxed) != host_executor::kClosed;
  }

  // The record of the import that begins at this proxy; nullptr if it is nicsim's alone.
  host_executor::record* find(const void* proxy) const;

  // ... and must be, since the program has asked for it.
  static bool must_serve(std::uint32_t slot) {
    return record_at(slot).demanded.load(std::memory_order_relaxed);
  }

  // Where the pages of the buffer are mapped, with the page of its bell behind them; nullptr if the
  // import is nicsim's alone. REQUIRES: no close() of this import is under way.
  std::byte* mapping_of(const Import& import) const;

  // Whether a transfer that is started is served here: one that is long would take longer than its
  // posting, so it is left to nicsim, unless it must not be.
  static bool may_start(std::uint32_t slot, std::size_t length) {
    return length <= StagingArea::kLargestClaim ? may_serve(slot) : must_serve(slot);
  }

  std::uint64_t automatic_updates() const { return updates_.load(std::memory_order_relaxed); }
  std::uint64_t fetches() const { return fetches_.load(std::memory_order_relaxed); }
  std::uint64_t bytes_fetched() const { return bytes_fetched_.load(std::memory_order_relaxed); }
  std::uint64_t atomics() const { return atomics_.load(std::memory_order_relaxed); }
  std::uint64_t bytes_of_atomics() const { return atomic_bytes_.load(std::memory_order_relaxed); }

 private:
  using Record = host_executor::record;
  static std::uint64_t offset_in(const Record& record, const void* proxy) {
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(proxy) - record.proxy);
  }

  // Being busy in the record of the import that a transfer was admitted for, if it is open.
  class Visit {
   public:
    enum class Patience { kWaits, kDoesNot };
    Visit(HostExecutor& executor, const RemoteBytes& remote, Patience patience = Patience::kWaits);
    ~Visit() {
      if (inside_) leave();
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    explicit operator bool() const { return inside_; }

    // Bytes have been stored: counts them, and wakes the receiver if it waits for them. The last step.
    void arrived(std::uint64_t offset, std::uint64_t length);

   private:
    static bool is_mine(Record& record);
    bool enter();
    void leave();

    Record& record_;
    const std::uint32_t granted_;  // the state in which the import can be served here
    std::uint32_t before_ = 0;
    bool alone_ = false;
    bool inside_ = false;
  };

  static Record& record_at(std::uint32_t slot) { return host_executor::records[slot]; }
  // Of the first byte, in the buffer.
  std::uint64_t offset_in(const Record& record, const RemoteBytes& remote) const {
    return offset_in(record, space_.address_of(remote.destination));
  }
  static std::atomic<std::uint32_t>& open_state(Record& record, bool alone) {
    return alone ? record.open_state : record.open_to_many;
  }
  bool reopen(Record& record, std::uint32_t granted, bool alone, Visit::Patience patience);
  bool share(Record& record);
  static void shut(Record& record);
  static void forget(Record& record);
  static bool is_local(const Record& record, std::uint64_t offset, const std::byte* memory,
                       std::size_t length);

  // Node, process and id: of the exporter, and his name for the buffer.
  using Buffer = std::array<std::uint32_t, 3>;
  static Buffer buffer_of(const Import& import) {
    return {import.exporter.node, import.exporter.process, import.buffer_id};
  }

  std::map<Buffer, Record*> buffers_;  // any record of each ring
  std::atomic<bool> ended_{false};
  wire::Channel& channel_;
  const DestinationSpace& space_;
  SendQueue& queue_;
  std::atomic<std::uint64_t> updates_{0};
  std::atomic<std::uint64_t> fetches_{0};
  std::atomic<std::uint64_t> bytes_fetched_{0};
  std::atomic<std::uint64_t> atomics_{0};
  std::atomic<std::uint64_t> atomic_bytes_{0};
};

// By way of a buffer of our own, since the words of the destination must be stored whole.
template <typename Fill>
bool HostExecutor::send_filled(const RemoteBytes& remote, std::size_t length, Fill& fill) {
  Record& record = record_at(remote.import_slot);
  Visit visit(*this, remote);
  // (Bytes of the buffer itself may be among the source.)
  if (!visit || record.local != nullptr || record.shown) return false;
  constexpr std::size_t kPortion = 2048;
  alignas(sizeof(std::uint64_t)) std::byte portion[kPortion];
  const std::uint64_t first = offset_in(record, remote);
  for (std::uint64_t done = 0; done < length;) {
    const std::uint64_t offset = first + done;
    const std::size_t part =
        std::min<std::size_t>(length - done, kPortion - offset % sizeof(std::uint64_t));
    fill(portion, part);
    platform::copy_words(record.memory + offset, portion, part);
    done += part;
  }
  visit.arrived(first, length);
  return true;
}

// Inline: all that such a send costs. A record that is open belongs to an attached process.
[[gnu::always_inline]] inline bool HostExecutor::try_send_word(const void* source,
                                                               const void* proxy) {
  Record& record = *host_executor::recent;
  if (source == nullptr) return false;
  std::uint64_t word;
  std::memcpy(&word, source, sizeof word);
  return host_executor::try_store(record, offset_in(record, proxy), word);
}

}  // namespace vmmc::internal
