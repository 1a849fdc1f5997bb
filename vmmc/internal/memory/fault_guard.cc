// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/fault_guard.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <mutex>
#include <utility>

#include "vmmc/internal/memory/write_probe.h"

namespace vmmc::internal {
namespace {

// Odd while pages are guarded; the futex that waiting threads sleep on. Also changes, by 2, when
// others protect pages. The bounds of what is guarded change only while it is even.
std::atomic<std::uint32_t> sequence{0};
std::atomic<std::uintptr_t> guarded_begin{0};
std::atomic<std::uintptr_t> guarded_end{0};
std::atomic<pid_t> guarding_thread{0};
// They only widen.
struct Bounds {
  std::atomic<std::uintptr_t> lowest{UINTPTR_MAX};
  std::atomic<std::uintptr_t> highest{0};

  void widen(PageRange pages) {
    std::uintptr_t bound = lowest.load();
    while (pages.begin < bound && !lowest.compare_exchange_weak(bound, pages.begin)) {
    }
    bound = highest.load();
    while (pages.end > bound && !highest.compare_exchange_weak(bound, pages.end)) {
    }
  }
};
constinit Bounds protected_pages;  // everything that was ever guarded, or protected by others
constinit Bounds captured_pages;   // ... by others
std::atomic<StoreCapture> store_capture{nullptr};

pid_t this_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// The private form of the futex: the word itself may lie on a page that is being replaced, and only
// the private form names it by its address.
void wait_while(std::uint32_t expected) {
  ::syscall(SYS_futex, &sequence, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void wake_all() {
  ::syscall(SYS_futex, &sequence, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

std::uintptr_t program_counter(void* context) {
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine.pc;
#else
#error "say here where the program counter is"
#endif
}

// True for a store that succeeds when it is made again; waits until it does. Not instrumented: the
// fault may lie inside ThreadSanitizer, which then holds locks that its own atomics would need.
__attribute__((no_sanitize("thread"))) bool is_over(const siginfo_t* info, void* context) {
  constexpr std::uintptr_t kLongestInstruction = 16;  // bytes; guarded pages are never executable
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (info->si_code != SEGV_ACCERR || address < protected_pages.lowest.load() ||
      address >= protected_pages.highest.load())
    return false;
  if (address - program_counter(context) < kLongestInstruction) return false;
  for (;;) {
    const std::uint32_t seen = sequence.load();
    const bool guarded =
        seen % 2 == 1 && address >= guarded_begin.load() && address < guarded_end.load();
    if (guarded && guarding_thread.load() == this_thread()) return false;
    if (guarded) {
      wait_while(seen);
      continue;
    }
    if (can_be_written(address)) return true;
    if (sequence.load() == seen) return false;
  }
}

// A program may put its handler in front of ours and pass faults on to ours. If we then go in front
// of it again, the same function of ours must not stand in the chain twice, or a fault would go
// round for ever. So each place has a function of its own.
constexpr std::size_t kLayers = 8;
struct Layer {
  std::atomic<bool> used{false};  // `previous` is set, and never changes again
  struct sigaction previous {};
  std::atomic<bool> spent{false};  // previous had SA_RESETHAND and has been called
};
std::array<Layer, kLayers> layers;

// Takes every handler away: returning to a faulting instruction then ends the process there.
void end_by_default(bool was_sent) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGSEGV, &action, nullptr);
  if (was_sent) ::syscall(SYS_tgkill, ::getpid(), this_thread(), SIGSEGV);
}

void pass_on(Layer& layer, int signal, siginfo_t* info, void* context) {
  if (!layer.used.load(std::memory_order_acquire)) return end_by_default(false);
  const struct sigaction& previous = layer.previous;
  const bool was_sent = info->si_code <= 0;  // by kill() and its like, not by an instruction
  auto handler = previous.sa_handler;
  if ((previous.sa_flags & SA_RESETHAND) != 0 && layer.spent.exchange(true)) handler = SIG_DFL;
  if (handler == SIG_IGN && was_sent) return;
  if (handler == SIG_IGN || handler == SIG_DFL) return end_by_default(was_sent);
  sigset_t blocked = previous.sa_mask;
  sigset_t before;
  if ((previous.sa_flags & SA_NODEFER) == 0) sigaddset(&blocked, signal);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else {
    handler(signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// True if the thread may go on: its store has been captured, or succeeds when it is made again.
__attribute__((no_sanitize("thread"))) bool is_ours(const siginfo_t* info, void* context) {
  for (;;) {
    const std::uint32_t seen = sequence.load();
    const StoreCapture capture = store_capture.load();
    if (capture != nullptr && capture(info, context)) return true;
    if (is_over(info, context)) return true;
    // Pages that neither of the two knew may have been protected between their looks.
    if (sequence.load() == seen) return false;
  }
}

template <std::size_t kLayer>
void on_fault(int signal, siginfo_t* info, void* context) {
  const int number = errno;
  if (!is_ours(info, context)) pass_on(layers[kLayer], signal, info, context);
  errno = number;
}

using Handler = void (*)(int, siginfo_t*, void*);
template <std::size_t... kLayer>
constexpr std::array<Handler, kLayers> make_handlers(std::index_sequence<kLayer...>) {
  return {&on_fault<kLayer>...};
}
constexpr std::array<Handler, kLayers> kHandlers =
    make_handlers(std::make_index_sequence<kLayers>());

// The layer to put in front of `present`: the one made for it before, or a new one; kLayers if
// there is none left.
std::size_t layer_in_front_of(const struct sigaction& present) {
  for (std::size_t i = 0; i < kLayers; ++i) {
    Layer& layer = layers[i];
    if (!layer.used.load()) {
      layer.previous = present;
      layer.used.store(true, std::memory_order_release);
      return i;
    }
    if (layer.previous.sa_sigaction == present.sa_sigaction &&
        layer.previous.sa_flags == present.sa_flags)
      return i;
  }
  return kLayers;
}

}  // namespace

std::optional<platform::SystemError> install_fault_guard() {
  static std::mutex installing;
  const std::lock_guard alone(installing);
  struct sigaction present {};
  if (::sigaction(SIGSEGV, nullptr, &present) != 0) return platform::last_system_error("sigaction");
  for (Handler handler : kHandlers) {
    if ((present.sa_flags & SA_SIGINFO) != 0 && present.sa_sigaction == handler)
      return std::nullopt;
  }
  const std::size_t layer = layer_in_front_of(present);
  if (layer == kLayers) return platform::SystemError{"sigaction", EBUSY};
  struct sigaction action {};
  action.sa_sigaction = kHandlers[layer];
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGSEGV, &action, nullptr) != 0) return platform::last_system_error("sigaction");
  return std::nullopt;
}

void capture_stores_with(StoreCapture capture) { store_capture.store(capture); }

void expect_late_faults(PageRange pages) {
  protected_pages.widen(pages);
  captured_pages.widen(pages);
  sequence.fetch_add(2);
}

bool may_be_captured(PageRange addresses) {
  return addresses.begin < captured_pages.highest.load(std::memory_order_relaxed) &&
         captured_pages.lowest.load(std::memory_order_relaxed) < addresses.end;
}

GuardedPages::GuardedPages(PageRange pages) {
  // A signal handler that ran in this thread and stored to the pages would wait for itself.
  sigset_t held_back;
  ::sigfillset(&held_back);
  for (int by_instruction : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP})
    ::sigdelset(&held_back, by_instruction);
  ::pthread_sigmask(SIG_BLOCK, &held_back, &signals_before_);
  protected_pages.widen(pages);
  guarded_begin.store(pages.begin);
  guarded_end.store(pages.end);
  guarding_thread.store(this_thread());
  errno = 0;  // as syscall above: the dynamic linker must have looked up all that the handler calls
  sequence.fetch_add(1);
}

GuardedPages::~GuardedPages() {
  sequence.fetch_add(1);
  wake_all();
  ::pthread_sigmask(SIG_SETMASK, &signals_before_, nullptr);
}

}  // namespace vmmc::internal
