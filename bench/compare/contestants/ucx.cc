// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// UCX over shared memory: puts into the other process's memory, and tagged messages.

#include "bench/compare/contestants/ucx_worker.h"

namespace {

using namespace contestant;
using namespace contestant::ucx;

constexpr std::size_t kWord = sizeof(std::uint64_t);

std::uint64_t load_word(std::byte* address) {
  return reinterpret_cast<std::atomic<std::uint64_t>*>(address)->load(std::memory_order_acquire);
}

// Where messages lie in a window, and behind them the number of the latest. A message of one word
// is its own flag; a longer one is followed by its number, after a fence. The target polls its
// memory: no call of it is part of a put.
class Layout {
 public:
  explicit Layout(const Options& options)
      : bytes_(options.bytes), slots_((bytes_ * slots_for(options) + kLast) / kCacheLine) {}

  std::size_t size() const { return (slots_ + 1) * kCacheLine; }
  std::size_t flag() const { return slots_ * kCacheLine; }
  std::size_t place(std::size_t slot) const { return slot * bytes_; }

  // Puts a message to the part of the peer's window that begins at `part`; its number is read
  // from `flag` until a flush.
  void put(Windows& windows, int peer, std::size_t part, const std::byte* message, std::size_t slot,
           const std::uint64_t* flag) const {
    windows.put(peer, message, part + place(slot), bytes_);
    if (bytes_ == kWord || flag == nullptr) return;
    check(ucp_worker_fence(windows.worker().get()), "ucp_worker_fence");
    windows.put(peer, reinterpret_cast<const std::byte*>(flag), part + this->flag(), kWord);
  }
  // Where the message lies, when it has arrived.
  std::byte* wait(std::byte* part, std::size_t slot, int sender, std::uint64_t number) const {
    std::byte* const message = part + place(slot);
    if (bytes_ == kWord) {
      const std::uint64_t expected = pattern_start(sender, number);
      poll_until([&] { return load_word(message) == expected; });
    } else {
      poll_until([&] { return load_word(part + flag()) >= number; });
    }
    return message;
  }

 private:
  static constexpr std::size_t kLast = kCacheLine - 1;

  std::size_t bytes_;
  std::size_t slots_;  // in cache lines
};

class PutLink {
 public:
  PutLink(const Options& options, Control& control, const char* transports)
      : rank_(control.rank()),
        layout_(options),
        source_(private_memory(layout_.size())),
        windows_(control, transports, layout_.size()) {}

  std::byte* source(std::size_t slot) { return source_ + layout_.place(slot); }
  void send(std::size_t slot, std::uint64_t number, bool announce) {
    flag_ = number;
    layout_.put(windows_, 1 - rank_, 0, source(slot), slot, announce ? &flag_ : nullptr);
  }
  void flush() { windows_.worker().flush(windows_.worker().endpoint(1 - rank_)); }
  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    if (!announce) return windows_.here() + layout_.place(slot);
    return layout_.wait(windows_.here(), slot, 1 - rank_, number);
  }

 private:
  int rank_;
  Layout layout_;
  std::byte* source_;
  Windows windows_;
  std::uint64_t flag_ = 0;
};

// Each process has a part of its window for each other one. What is on its way lies in a source of
// its own for each peer and slot.
class PutMesh {
 public:
  PutMesh(const Options& options, Control& control, const char* transports)
      : bytes_(options.bytes),
        rank_(control.rank()),
        layout_(options),
        source_(private_memory(part(control.processes()))),
        windows_(control, transports, part(control.processes())) {}

  void send_to(int peer, std::size_t slot, std::uint64_t number) {
    std::byte* const message = source_ + part(peer) + layout_.place(slot);
    fill_pattern(message, bytes_, rank_, number);
    flags_[peer][slot] = number;
    layout_.put(windows_, peer, part(rank_), message, slot, &flags_[peer][slot]);
  }
  const std::byte* wait_from(int peer, std::size_t slot, std::uint64_t number) {
    return layout_.wait(windows_.here() + part(peer), slot, peer, number);
  }

 private:
  std::size_t part(int peer) const { return std::size_t(peer) * layout_.size(); }

  std::size_t bytes_;
  int rank_;
  Layout layout_;
  std::byte* source_;
  Windows windows_;
  std::uint64_t flags_[kMaxProcesses][2] = {};
};

void run_put(const Options& options) {
  constexpr const char* kTransports = "posix,self";
  const bool all = options.measure == "alltoall";
  Control control = fork_processes(options, all ? options.processes : 2);
  if (all) {
    PutMesh mesh(options, control, kTransports);
    measure_all_to_all(options, control, mesh);
  } else {
    PutLink link(options, control, kTransports);
    measure(options, control, link);
  }
}

// Tagged messages; the receiver asks for each when it begins to wait for it.
class TagLink {
 public:
  TagLink(const Options& options, Control& control, const char* transports, bool asleep)
      : bytes_(options.bytes),
        rank_(control.rank()),
        asleep_(asleep),
        source_(private_memory(bytes_ * slots_for(options))),
        destination_(private_memory(bytes_ * slots_for(options))),
        worker_(control, transports, UCP_FEATURE_TAG | (asleep ? UCP_FEATURE_WAKEUP : 0)) {
    worker_.connect({});
    worker_.settle();
  }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t, bool) {
    const ucp_request_param_t parameters{};
    const ucs_status_ptr_t request =
        ucp_tag_send_nbx(worker_.endpoint(1 - rank_), source(slot), bytes_, kTag, &parameters);
    if (request != nullptr) started_.push_back(request);
  }
  // A started send needs calls of the sender until it is complete.
  void flush() {
    for (ucs_status_ptr_t request : started_) worker_.finish(request);
    started_.clear();
  }

  const std::byte* wait(std::size_t slot, std::uint64_t, bool) {
    std::byte* const message = destination_ + slot * bytes_;
    const ucp_request_param_t parameters{};
    const ucs_status_ptr_t request =
        ucp_tag_recv_nbx(worker_.get(), message, bytes_, kTag, ~std::uint64_t{0}, &parameters);
    while (asleep_ && UCS_PTR_IS_PTR(request) &&
           ucp_request_check_status(request) == UCS_INPROGRESS) {
      if (worker_.progress() == 0) check(ucp_worker_wait(worker_.get()), "ucp_worker_wait");
    }
    worker_.finish(request);
    return message;
  }

 private:
  static constexpr ucp_tag_t kTag = 7;

  std::size_t bytes_;
  int rank_;
  bool asleep_;
  std::byte* source_;
  std::byte* destination_;
  Worker worker_;
  std::vector<ucs_status_ptr_t> started_;
};

void run_tag_with(const Options& options, const char* transports, bool asleep) {
  Control control = fork_processes(options, 2);
  TagLink link(options, control, transports, asleep);
  measure(options, control, link);
}
// Long messages by the kernel's copy between processes, which is UCX's own choice,
void run_tag(const Options& options) { run_tag_with(options, "sm,self", false); }
// or in pieces through shared memory.
void run_tag_posix(const Options& options) { run_tag_with(options, "posix,self", false); }
void run_tag_asleep(const Options& options) { run_tag_with(options, "sm,self", true); }

constexpr Variant kVariants[] = {
    {"ucx-put", "latency,bandwidth,rate,alltoall,idle", false, run_put},
    {"ucx-tag", "latency,bandwidth,rate,idle", false, run_tag},
    {"ucx-tag-posix", "latency,bandwidth,rate,idle", false, run_tag_posix},
    {"ucx-tag-sleep", "latency,bandwidth,rate,wakeup,idle", true, run_tag_asleep},
};

}  // namespace

int main(int argc, char** argv) { return contestant_main(argc, argv, kVariants); }
