// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Sending and receiving make no system call and allocate nothing: both sides do it a million times under
// a filter of the kernel's that kills the process for any system call but its end, and with an allocator
// that counts.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdlib>

#include "tests/rtz/channels.h"

using namespace vmmc::testing;

namespace {

// Sanitizers make system calls of their own, and bring their own allocator.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

[[gnu::tls_model("initial-exec")]] thread_local bool counts = false;
[[gnu::tls_model("initial-exec")]] thread_local std::uint64_t allocations = 0;

[[maybe_unused]] void note_allocation() {
  if (counts) ++allocations;
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
// NOLINTBEGIN(readability-identifier-naming): the C library's names
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void __libc_free(void* memory);
// NOLINTEND(readability-identifier-naming)

void* malloc(size_t size) {
  note_allocation();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note_allocation();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  note_allocation();
  return __libc_realloc(memory, size);
}
void free(void* memory) {
  if (memory != nullptr) note_allocation();
  __libc_free(memory);
}
}
#endif

namespace {

constexpr std::uint64_t kDatagrams = 1'000'000;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kLong = 20'480;
// Never reached: a hundred datagrams in a microsecond. To be admitted it needs a network interface whose
// packets take next to no time.
constexpr vmmc_rtz_budget kBudget{
    .messages = 100'000, .period = kMillisecond, .longest = kLong, .deadline = kSecond};
const std::vector<std::string> kFastInterface{"--real-time-packet-ns", "1"};

std::size_t length_of(std::uint64_t number) { return number % 8 == 7 ? kLong : kPage; }

// From now on any system call of this thread but exit_group kills the process (SIGSYS).
void forbid_system_calls() {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog filter{sizeof steps / sizeof steps[0], steps};
  EXPECT(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  EXPECT(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
  counts = true;
}

// An EXPECT that makes no system call when it holds, and is killed by the filter when it does not; so
// the line is lost, but the test fails.
void receive_a_million(Part& part) {
  attach();
  vmmc_rtz_options options = with_depth(64);
  options.executor = VMMC_EXECUTOR_HOST;
  vmmc_rtz_channel* channel = nullptr;
  EXPECT(vmmc_rtz_open(kChannel, &kBudget, &options, &channel) == VMMC_OK);
  part.meet();
  forbid_system_calls();
  for (std::uint64_t n = 0; n < kDatagrams; ++n) {
    vmmc_rtz_datagram datagram{};
    while (vmmc_rtz_receive(channel, &datagram, 0) != VMMC_OK) {
    }
    const auto* const words = static_cast<const std::uint64_t*>(datagram.data);
    EXPECT(datagram.number == n);
    EXPECT(datagram.length == length_of(n));
    EXPECT(words[0] == n);
    EXPECT(words[datagram.length / 8 - 1] == ~n);
    EXPECT(vmmc_rtz_return(channel, &datagram) == VMMC_OK);
  }
  EXPECT(allocations == 0);
  ::_exit(0);
}

void send_a_million(Part& part) {
  attach();
  vmmc_rtz_channel* const channel = connect(0);
  static std::uint64_t own[kLong / 8];
  part.meet();
  forbid_system_calls();
  for (std::uint64_t n = 0; n < kDatagrams; ++n) {
    const std::size_t length = length_of(n);
    void* memory = own;
    while (n % 16 != 15 && vmmc_rtz_acquire(channel, length, &memory) != VMMC_OK) {
    }
    auto* const words = static_cast<std::uint64_t*>(memory);
    words[0] = n;
    words[length / 8 - 1] = ~n;
    if (n % 16 != 15) {
      while (vmmc_rtz_send(channel, memory, length, n) != VMMC_OK) {
      }
    } else {
      while (vmmc_rtz_send_copy(channel, memory, length, n) != VMMC_OK) {
      }
    }
  }
  EXPECT(allocations == 0);
  ::_exit(0);
}

}  // namespace

TEST_CASE("S14.7 a million datagrams are sent and received without a system call or an allocation" *
          doctest::skip(kSanitized)) {
  NicsimProcess nicsim(kFastInterface);
  run_processes(nicsim, {receive_a_million, send_a_million});
}

TEST_CASE("the filter and the counter notice" * doctest::skip(kSanitized)) {
  const pid_t child = ::fork();
  if (child == 0) {
    forbid_system_calls();
    (void)::getppid();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
  counts = true;
  int* volatile allocated = new int(1);
  delete allocated;
  counts = false;
  CHECK(allocations == 2);
}
