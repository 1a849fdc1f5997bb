// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting for frames: descriptors, timeouts, and how many system calls all of it takes.

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "tests/ring/ring_run.h"

using namespace vmmc::testing;

namespace {

// Counts the system calls of the thread that makes it, from another process (ptrace); apart from
// them those that only let others run, of which there are the more the busier the machine is.
class SystemCallCounter {
 public:
  SystemCallCounter() {
    void* const shared =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(shared != MAP_FAILED);
    calls_ = new (shared) std::atomic<std::int64_t>(kStarting);
    yields_ = new (calls_ + 1) std::atomic<std::int64_t>(0);
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    const pid_t traced = ::getpid();
    tracer_ = ::fork();
    EXPECT(tracer_ >= 0);
    if (tracer_ == 0) trace(traced);
    while (calls_->load() == kStarting) ::usleep(1000);
  }
  // The traced thread goes on when its tracer has died.
  ~SystemCallCounter() {
    ::kill(tracer_, SIGKILL);
    ::waitpid(tracer_, nullptr, 0);
  }
  SystemCallCounter(const SystemCallCounter&) = delete;
  SystemCallCounter& operator=(const SystemCallCounter&) = delete;

  bool works() const { return calls_->load() != kForbidden; }
  std::int64_t calls() const { return calls_->load(); }
  std::int64_t yields() const { return yields_->load(); }

 private:
  static constexpr std::int64_t kStarting = -1;
  static constexpr std::int64_t kForbidden = -2;

  [[noreturn]] void trace(pid_t traced) {
    if (::ptrace(PTRACE_SEIZE, traced, nullptr, PTRACE_O_TRACESYSGOOD) != 0) {
      calls_->store(kForbidden);
      ::_exit(1);
    }
    ::ptrace(PTRACE_INTERRUPT, traced, nullptr, nullptr);
    calls_->store(0);
    int status = 0;
    while (::waitpid(traced, &status, __WALL) == traced && WIFSTOPPED(status)) {
      const int signal = WSTOPSIG(status);
      const bool of_a_call = signal == (SIGTRAP | 0x80);
      if (of_a_call) count(traced);
      const bool of_ptrace = of_a_call || status >> 16 != 0;
      ::ptrace(PTRACE_SYSCALL, traced, nullptr, of_ptrace ? 0 : signal);
    }
    ::_exit(0);
  }

  void count(pid_t traced) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, traced, sizeof info, &info) < 0) {
      calls_->store(kForbidden);
      ::_exit(1);
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) last_ = info.entry.nr;
    if (info.op != PTRACE_SYSCALL_INFO_EXIT) return;  // it is counted when it is over
    ++*(last_ == SYS_sched_yield ? yields_ : calls_);
  }

  pid_t tracer_ = -1;
  std::uint64_t last_ = 0;  // the call that is under way
  std::atomic<std::int64_t>* calls_ = nullptr;
  std::atomic<std::int64_t>* yields_ = nullptr;
};

bool readable(int fd, int timeout_ms) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, timeout_ms) == 1;
}

void send_to_self(unsigned char* proxy, std::uint32_t value) {
  send_word(value, proxy);
  EXPECT(vmmc_fence() == VMMC_OK);
}

}  // namespace

TEST_CASE("S13.9 fewer than one system call for 100 frames") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  constexpr std::uint64_t kFrames = 2'000'000;
                  const CaptureFile file = CaptureFile::numbered(kFrames);
                  attach();
                  vmmc_ring* ring = open_file(file, kRingDefaults);
                  SystemCallCounter counter;
                  if (!counter.works()) {
                    std::fprintf(stderr, "skipped: ptrace is not permitted here\n");
                    return;
                  }
                  const std::int64_t before = counter.calls();
                  std::uint64_t frames = 0;
                  const vmmc_frame* frame = nullptr;
                  while (vmmc_ring_next(ring, &frame, VMMC_FOREVER) == VMMC_OK) ++frames;
                  EXPECT(counter.works());
                  const std::int64_t calls = counter.calls() - before;
                  std::fprintf(stderr, "%lld system calls and %lld yields for %llu frames\n",
                               static_cast<long long>(calls),
                               static_cast<long long>(counter.yields()),
                               static_cast<unsigned long long>(frames));
                  EXPECT(frames == kFrames);
                  EXPECT(calls * 100 < static_cast<std::int64_t>(frames));
                }});
}

TEST_CASE("S13.9 a look that does not wait makes no system call") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part&) {
                  attach();
                  vmmc_ring* ring = nullptr;
                  EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_OK);
                  SystemCallCounter counter;
                  if (!counter.works()) return;
                  const std::int64_t before = counter.calls();
                  const std::int64_t yields_before = counter.yields();
                  const vmmc_frame* frame = nullptr;
                  bool timeouts = true;
                  for (int i = 0; i < 1000; ++i) {
                    timeouts = timeouts && vmmc_ring_next(ring, &frame, 0) == VMMC_ERR_TIMEOUT;
                  }
                  EXPECT(counter.calls() == before);
                  EXPECT(counter.yields() == yields_before);
                  EXPECT(timeouts);
                  // Otherwise the counter proves nothing.
                  EXPECT(vmmc_ring_next(ring, &frame, 10'000'000) == VMMC_ERR_TIMEOUT);
                  EXPECT(counter.calls() > before);
                }});
}

TEST_CASE("S13.9 the descriptor is readable when it is armed and something has come, once") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                  attach();
                  (void)export_new(4096, 1);
                  Proxy proxy = import_from(part.number(), 1);
                  vmmc_ring* ring = nullptr;
                  EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_OK);
                  int descriptor = -1;
                  EXPECT(vmmc_ring_descriptor(ring, &descriptor) == VMMC_OK);
                  const vmmc_frame* frame = nullptr;
                  for (std::uint32_t round = 0; round < 20; ++round) {
                    while (vmmc_ring_arm(ring) == VMMC_PENDING) {
                      while (vmmc_ring_next(ring, &frame, 0) == VMMC_OK) {
                      }
                    }
                    EXPECT(!readable(descriptor, 0));
                    send_to_self(proxy.address, round);
                    EXPECT(readable(descriptor, -1));
                    EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                  }
                  while (counters_of(ring).wakeups < 20) ::usleep(1000);  // counted a little later
                }});
}

TEST_CASE("S13.9 an open ring of which nothing comes uses no processor, here and in nicsim") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[&](Part&) {
                  attach();
                  vmmc_ring* ring = nullptr;
                  EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_OK);
                  const vmmc_frame* frame = nullptr;
                  EXPECT(vmmc_ring_next(ring, &frame, 300'000'000) == VMMC_ERR_TIMEOUT);
                  const std::uint64_t before = processor_ns(::getpid());
                  const std::uint64_t before_there = processor_ns(nicsim.pid());
                  EXPECT(vmmc_ring_next(ring, &frame, 1'000'000'000) == VMMC_ERR_TIMEOUT);
                  const std::uint64_t here = processor_ns(::getpid()) - before;
                  const std::uint64_t there = processor_ns(nicsim.pid()) - before_there;
                  std::fprintf(stderr, "ns in a second: %llu here, %llu in nicsim\n",
                               static_cast<unsigned long long>(here),
                               static_cast<unsigned long long>(there));
                  EXPECT(here < 50'000'000);
                  EXPECT(there < 50'000'000);
                }});
}

TEST_CASE("S13.9 a wait is woken by a frame, and ends by its timeout without one") {
  NicsimProcess nicsim;
  run_processes(nicsim, {[](Part& part) {
                           attach();
                           (void)export_new(4096, 1);
                           vmmc_ring* ring = nullptr;
                           EXPECT(vmmc_ring_open_backplane(VMMC_ANY, 1, nullptr, &ring) == VMMC_OK);
                           const vmmc_frame* frame = nullptr;
                           EXPECT(vmmc_ring_next(ring, &frame, 20'000'000) == VMMC_ERR_TIMEOUT);
                           EXPECT(counters_of(ring).waits > 0);
                           part.meet();
                           EXPECT(vmmc_ring_next(ring, &frame, kPatience) == VMMC_OK);
                           part.meet();
                         },
                         [](Part& part) {
                           attach();
                           Proxy proxy = import_from(0, 1);
                           part.meet();
                           ::usleep(100'000);  // it sleeps by now
                           send_word(7, proxy.address);
                           part.meet();
                         }});
}
