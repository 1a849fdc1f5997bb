// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The bare floors of this machine: what two processes that share memory can do without any library.

#include <linux/futex.h>
#include <sys/syscall.h>

#include <memory>

#include "bench/compare/contestants/relay.h"
#include "bench/compare/contestants/shared_window.h"

namespace {

using namespace contestant;

#if defined(__x86_64__)
void copy_with_rep_movsb(std::byte* to, const std::byte* from, std::size_t bytes) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
#endif

// The sender copies into memory that the receiver polls.
class FlagLink {
 public:
  // Before fork().
  FlagLink(const Options& options, Copy copy)
      : bytes_(options.bytes),
        copy_(copy),
        source_(private_memory(bytes_ * slots_for(options))),
        windows_{SharedWindow(options), SharedWindow(options)} {}
  void connect(Control& control) { rank_ = control.rank(); }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }
  void send(std::size_t slot, std::uint64_t number, bool announce) {
    windows_[1 - rank_].store(slot, source(slot), number, announce, copy_);
  }
  void flush() {}
  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    return windows_[rank_].wait(slot, 1 - rank_, number, announce);
  }

 private:
  std::size_t bytes_;
  Copy copy_;
  std::byte* source_;
  SharedWindow windows_[2];  // of the rank that receives
  int rank_ = 0;
};

// A window for each pair of processes.
class FlagMesh {
 public:
  // Before fork().
  explicit FlagMesh(const Options& options)
      : bytes_(options.bytes),
        processes_(options.processes),
        source_(private_memory(bytes_)),
        windows_(std::size_t(processes_ * processes_)) {
    for (auto& window : windows_) window = std::make_unique<SharedWindow>(options);
  }
  void connect(Control& control) { rank_ = control.rank(); }

  void send_to(int peer, std::size_t slot, std::uint64_t number) {
    fill_pattern(source_, bytes_, rank_, number);
    window(peer, rank_).store(slot, source_, number, true);
  }
  const std::byte* wait_from(int peer, std::size_t slot, std::uint64_t number) {
    return window(rank_, peer).wait(slot, peer, number, true);
  }

 private:
  SharedWindow& window(int to, int from) { return *windows_[std::size_t(to * processes_ + from)]; }

  std::size_t bytes_;
  int processes_;
  std::byte* source_;
  std::vector<std::unique_ptr<SharedWindow>> windows_;
  int rank_ = 0;
};

void run_flag(const Options& options) {
  if (options.measure == "alltoall") {
    FlagMesh mesh(options);
    Control control = fork_processes(options, options.processes);
    mesh.connect(control);
    measure_all_to_all(options, control, mesh);
    return;
  }
  FlagLink link(options, copy_with_libc);
  Control control = fork_processes(options, 2);
  link.connect(control);
  measure(options, control, link);
}

template <Copy kCopy, BurstEnd kEnd>
void run_copy(const Options& options) {
  FlagLink link(options, kCopy);
  Control control = fork_processes(options, 2);
  link.connect(control);
  const std::size_t slots = slots_for(options);
  const auto bursts = measure_bursts(options, control, link, slots, kEnd);
  if (control.rank() == 0) print_bandwidth(options, bursts, slots);
}

// Messages in shared memory; the receiver sleeps on a futex at once, without looking for a while.
class FutexLink {
 public:
  // Before fork().
  explicit FutexLink(const Options& options)
      : bytes_(options.bytes),
        source_(private_memory(bytes_ * slots_for(options))),
        windows_{SharedWindow(options), SharedWindow(options)} {}
  void connect(Control& control) { rank_ = control.rank(); }

  std::byte* source(std::size_t slot) { return source_ + slot * bytes_; }

  void send(std::size_t slot, std::uint64_t number, bool announce) {
    SharedWindow& to = windows_[1 - rank_];
    std::memcpy(to.place(slot), source(slot), bytes_);
    if (!announce) return;
    to.arrived().store(number, std::memory_order_release);
    ::syscall(SYS_futex, &to.arrived(), FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  void flush() {}

  // The futex is the lower half of the number; wrapping it would take an hour.
  const std::byte* wait(std::size_t slot, std::uint64_t number, bool announce) {
    SharedWindow& here = windows_[rank_];
    std::uint64_t seen = 0;
    while (announce && (seen = here.arrived().load(std::memory_order_acquire)) < number) {
      ::syscall(SYS_futex, &here.arrived(), FUTEX_WAIT, static_cast<std::uint32_t>(seen), nullptr,
                nullptr, 0);
    }
    return here.place(slot);
  }

 private:
  std::size_t bytes_;
  std::byte* source_;
  SharedWindow windows_[2];
  int rank_ = 0;
};

void run_futex(const Options& options) {
  FutexLink link(options);
  Control control = fork_processes(options, 2);
  link.connect(control);
  measure(options, control, link);
}

constexpr Variant kVariants[] = {
    {"floor-flag", "latency,bandwidth,rate,alltoall,idle", false, run_flag},
    {"floor-relay", "latency,bandwidth,rate,idle", false, run_relay},
    {"floor-futex", "rate,wakeup,idle", true, run_futex},
    {"floor-memcpy", "bandwidth", false, run_copy<copy_with_libc, BurstEnd::kSent>},
    {"floor-memcpy-stream", "bandwidth", false, run_copy<copy_with_libc, BurstEnd::kNoticed>},
#if defined(__x86_64__)
    {"floor-rep-movsb", "bandwidth", false, run_copy<copy_with_rep_movsb, BurstEnd::kSent>},
#endif
};

}  // namespace

int main(int argc, char** argv) { return contestant_main(argc, argv, kVariants); }
