// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ways of sending with VMMC; contestant.h says what a link and a mesh are.
//
// A message of 8 bytes is one word: the receiver waits until it changes. A longer message is two
// sends, the bytes and then a flag, because VMMC promises no order within one transfer.
//
// Threads and processes: one thread, in a process that is attached; node and process have the
// number of the rank. Crash: whoever fails ends its process; the library leaves nothing behind.
#pragma once

#include <optional>

#include "bench/compare/contestant.h"
#include "vmmc/vmmc.hpp"

namespace vmmc_contestant {

using contestant::Options;

inline constexpr std::uint32_t kBufferId = 1;
inline constexpr std::uint64_t kPatience = 20'000'000'000;  // ns until a silent peer counts as lost
inline constexpr std::size_t kWord = sizeof(std::uint64_t);
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kWindow = 64;  // sends that may be pending
inline constexpr int kAnywhere = -1;

// A refusal of the library is the peer's answer (3); everything else is a failure.
inline void must(int status, const char* what) {
  if (status == VMMC_OK) return;
  const bool refused = status == VMMC_ERR_EXECUTOR_UNAVAILABLE;
  contestant::fail(refused ? contestant::kPeerRefuses : 1, "%s: %s", what, vmmc_last_error());
}

// ------------------------------------------------------------------------ placement and strategy

// Where everybody runs and how they wait.
struct Setting {
  Options options;  // with the cores of the ranks alone
  int nicsim_core = kAnywhere;
  vmmc_executor executor = VMMC_EXECUTOR_NIC;
  vmmc_wait_strategy wait = VMMC_WAIT_SPIN;
};

// A third core is nicsim's. With two, nicsim does best with one of them for itself while both ranks
// share the other; but ranks that sleep are woken sooner on a core each.
inline void place_nicsim(Setting& setting) {
  std::vector<int>& cores = setting.options.cpus;
  const std::string& measure = setting.options.measure;
  if (measure == "alltoall") {
    setting.nicsim_core = kAnywhere;
  } else if (cores.size() >= 3) {
    setting.nicsim_core = cores[2];
    cores.resize(2);
  } else {
    setting.nicsim_core = cores.front();
    if (setting.executor == VMMC_EXECUTOR_NIC && measure != "wakeup") cores = {cores.back()};
  }
}

inline Setting setting_for(const Options& options, vmmc_executor executor) {
  Setting setting{options, kAnywhere, executor, VMMC_WAIT_SPIN};
  place_nicsim(setting);
  std::vector<int> all = setting.options.cpus;
  if (executor == VMMC_EXECUTOR_NIC) all.push_back(setting.nicsim_core);
  std::sort(all.begin(), all.end());
  // Threads that spin and share a core take turns by time slices.
  const bool shared = std::adjacent_find(all.begin(), all.end()) != all.end() ||
                      setting.options.cpus.size() < 2 || options.measure == "alltoall";
  if (shared || options.measure == "idle") setting.wait = VMMC_WAIT_ADAPTIVE;
  if (options.measure == "wakeup") setting.wait = VMMC_WAIT_BLOCK;
  return setting;
}

// ------------------------------------------------------------------------------------- attached

inline std::size_t whole_pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

inline std::byte* allocate(std::size_t bytes) {
  void* memory = nullptr;
  must(vmmc_alloc(bytes, &memory), "vmmc_alloc");
  return static_cast<std::byte*>(memory);
}

// Whole pages, because the host executor maps nothing less.
inline std::byte* export_pages(std::size_t bytes) {
  std::byte* memory = allocate(whole_pages(bytes));
  must(vmmc_export(memory, whole_pages(bytes), kBufferId, nullptr), "vmmc_export");
  return memory;
}

inline vmmc_import_options import_options(const Setting& setting) {
  vmmc_import_options options = VMMC_IMPORT_DEFAULTS;
  options.executor = setting.executor;
  options.timeout = kPatience;
  return options;
}
inline vmmc_identity identity_of(int rank) {
  return {static_cast<std::uint32_t>(rank), static_cast<std::uint32_t>(rank)};
}

// A message's place in a buffer: the payload and, if it is longer than a word, a flag behind it.
struct Layout {
  std::size_t bytes;
  bool is_word() const { return bytes == kWord; }
  std::size_t stride() const {
    const std::size_t lines = (bytes + contestant::kCacheLine - 1) / contestant::kCacheLine;
    return (lines + (is_word() ? 0 : 1)) * contestant::kCacheLine;
  }
  std::size_t payload(std::size_t slot) const { return slot * stride(); }
  std::size_t flag(std::size_t slot) const {
    return (slot + 1) * stride() - contestant::kCacheLine;
  }
};

inline const std::uint64_t& word_at(const std::byte* place) {
  return *reinterpret_cast<const std::uint64_t*>(place);
}

inline void wait_for(const std::byte* place, vmmc_comparison comparison, std::uint64_t value,
                     vmmc_wait_strategy strategy) {
  must(vmmc_wait_64(&word_at(place), comparison, value, strategy, kPatience), "vmmc_wait_64");
}

// The words that were seen last: a message that is one word has arrived when it has changed.
class Inbox {
 public:
  Inbox(std::byte* memory, Layout layout, std::size_t slots, vmmc_wait_strategy wait)
      : memory_(memory), layout_(layout), seen_(slots), wait_(wait) {}

  const std::byte* payload(std::size_t slot) const { return memory_ + layout_.payload(slot); }

  const std::byte* wait(std::size_t slot, std::uint64_t number) {
    const std::byte* place = payload(slot);
    if (layout_.is_word()) {
      wait_for(place, VMMC_NOT_EQUAL, seen_[slot], wait_);
      seen_[slot] = word_at(place);
    } else {
      wait_for(memory_ + layout_.flag(slot), VMMC_AT_LEAST, number, wait_);
    }
    return place;
  }

 private:
  std::byte* memory_;
  Layout layout_;
  std::vector<std::uint64_t> seen_;
  vmmc_wait_strategy wait_;
};

// ----------------------------------------------------------------------------- two processes

// The C interface.
class Link {
 public:
  Link(const Setting& setting, int rank)
      : layout_{setting.options.bytes},
        slots_(contestant::slots_for(setting.options)),
        source_(allocate(slots_ * layout_.stride())),
        inbox_(export_pages(slots_ * layout_.stride()), layout_, slots_, setting.wait),
        pending_(setting.options.measure == "bandwidth" ? kWindow : 1) {
    const vmmc_import_options options = import_options(setting);
    void* proxy = nullptr;
    must(vmmc_import(identity_of(1 - rank), kBufferId, &options, &proxy, nullptr), "vmmc_import");
    proxy_ = static_cast<std::byte*>(proxy);
  }

  // The send of long ago that may still read it has ended then.
  std::byte* source(std::size_t slot) {
    finish_all();
    return source_ + layout_.payload(slot);
  }

  void send(std::size_t slot, std::uint64_t number, bool announce) {
    std::byte* const destination = proxy_ + layout_.payload(slot);
    const std::byte* const payload = source_ + layout_.payload(slot);
    if (layout_.is_word()) {
      must(vmmc_send(payload, destination, kWord), "vmmc_send");
      return;
    }
    finish(pending_[next_]);
    vmmc_send_handle handle = 0;
    must(vmmc_send_start(payload, destination, layout_.bytes, &handle), "vmmc_send_start");
    pending_[next_] = handle;
    next_ = (next_ + 1) % pending_.size();
    if (announce) must(vmmc_send(&number, proxy_ + layout_.flag(slot), kWord), "vmmc_send");
  }

  void flush() {}

  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    return announce ? inbox_.wait(slot, number) : inbox_.payload(slot);
  }

 private:
  static void finish(std::optional<vmmc_send_handle>& pending) {
    if (pending) must(vmmc_send_wait(*pending), "vmmc_send_wait");
    pending.reset();
  }
  void finish_all() {
    for (auto& pending : pending_) finish(pending);
  }

  Layout layout_;
  std::size_t slots_;
  std::byte* source_;
  Inbox inbox_;
  std::vector<std::optional<vmmc_send_handle>> pending_;
  std::size_t next_ = 0;
  std::byte* proxy_ = nullptr;
};

// The C++ interface, with messages that are one std::uint64_t.
class WordLink {
 public:
  WordLink(const Setting& setting, int rank)
      : slots_(contestant::slots_for(setting.options)),
        source_(contestant::private_memory(slots_ * contestant::kCacheLine)),
        inbox_(export_pages(slots_ * contestant::kCacheLine)),
        seen_(slots_),
        wait_(setting.wait),
        proxy_(import(setting, rank)) {}

  std::byte* source(std::size_t slot) { return source_ + slot * contestant::kCacheLine; }
  void send(std::size_t slot, std::uint64_t, bool) {
    must(proxy_.send(word_at(source(slot)), slot * contestant::kCacheLine));
  }
  void flush() {}
  const std::byte* wait(std::size_t slot, std::uint64_t, bool) {
    const std::byte* place = inbox_ + slot * contestant::kCacheLine;
    must(vmmc::wait(word_at(place), VMMC_NOT_EQUAL, seen_[slot], wait_));
    seen_[slot] = word_at(place);
    return place;
  }

 private:
  static void must(const vmmc::result<void>& done) {
    if (!done) vmmc_contestant::must(done.error().value(), "vmmc.hpp");
  }
  static vmmc::proxy import(const Setting& setting, int rank) {
    auto proxy = vmmc::proxy::import(identity_of(1 - rank), kBufferId, import_options(setting));
    if (!proxy) vmmc_contestant::must(proxy.error().value(), "vmmc::proxy::import");
    return std::move(proxy).value();
  }

  std::size_t slots_;
  std::byte* source_;
  std::byte* inbox_;
  std::vector<std::uint64_t> seen_;
  vmmc_wait_strategy wait_;
  vmmc::proxy proxy_;
};

// ------------------------------------------------------------------------------- all processes

class Mesh {
 public:
  Mesh(const Setting& setting, int rank)
      : layout_{setting.options.bytes},
        rank_(rank),
        slots_(contestant::slots_for(setting.options)),
        processes_(static_cast<std::size_t>(setting.options.processes)),
        source_(allocate(processes_ * slots_ * layout_.stride())),
        inbox_(export_pages(processes_ * slots_ * layout_.stride()), layout_, processes_ * slots_,
               setting.wait),
        proxies_(processes_) {
    const vmmc_import_options options = import_options(setting);
    for (int peer = 0; peer < setting.options.processes; ++peer) {
      if (peer == rank) continue;
      void* proxy = nullptr;
      must(vmmc_import(identity_of(peer), kBufferId, &options, &proxy, nullptr), "vmmc_import");
      proxies_[static_cast<std::size_t>(peer)] = static_cast<std::byte*>(proxy);
    }
  }

  void send_to(int peer, std::size_t slot, std::uint64_t number) {
    std::byte* const payload = source_ + layout_.payload(place(peer, slot));
    std::byte* const proxy = proxies_[static_cast<std::size_t>(peer)];
    const std::size_t there = place(rank_, slot);
    contestant::fill_pattern(payload, layout_.bytes, rank_, number);
    must(vmmc_send(payload, proxy + layout_.payload(there), layout_.bytes), "vmmc_send");
    if (!layout_.is_word())
      must(vmmc_send(&number, proxy + layout_.flag(there), kWord), "vmmc_send");
  }

  const std::byte* wait_from(int peer, std::size_t slot, std::uint64_t number) {
    return inbox_.wait(place(peer, slot), number);
  }

 private:
  // The slots of a peer, in the inbox and in the source alike.
  std::size_t place(int peer, std::size_t slot) const {
    return static_cast<std::size_t>(peer) * slots_ + slot;
  }

  Layout layout_;
  int rank_;
  std::size_t slots_;
  std::size_t processes_;
  std::byte* source_;
  Inbox inbox_;
  std::vector<std::byte*> proxies_;
};

}  // namespace vmmc_contestant
