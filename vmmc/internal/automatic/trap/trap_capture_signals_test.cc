// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the program's own handlers get, and what ends the process. Most cases run in a child: the
// handlers are the process's, and the child may die of them.

#include <doctest/doctest.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include <string>

#include "vmmc/internal/automatic/trap/watched_pages.h"

// ThreadSanitizer takes a program that has jumped out of a handler for one that is still in it.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

namespace vmmc::internal {
namespace {

void handle(int signal, void (*handler)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  must(::sigaction(signal, &action, nullptr) == 0, "sigaction works");
}

sigjmp_buf back;
std::atomic<void*> faulting_address{nullptr};
std::atomic<int> faults_seen{0};

void jump_back(int, siginfo_t* info, void*) {
  faulting_address = info->si_addr;
  ++faults_seen;
  siglongjmp(back, 1);
}

TEST_CASE("the program's handler of SIGSEGV gets its own faults and no store to watched pages") {
  CHECK(ended_with(run_in_child([] {
                     handle(SIGSEGV, jump_back);
                     WatchedPages pages;
                     ReportLog log;
                     pages.watch(log);
                     pages.word<volatile int>(1) = 5;
                     if (faults_seen != 0 || log.count() != 1) return 1;
                     const TestPages own(1);
                     must(::mprotect(own.data(), kPage, PROT_READ) == 0, "mprotect works");
                     if (sigsetjmp(back, 1) == 0) own.word(5) = 1;
                     if (faults_seen != 1 || faulting_address.load() != own.data() + 40) return 2;
                     // Between the pages that were ever watched, and since let go.
                     pages.unwatch();
                     must(::mprotect(pages.data(), kPage, PROT_READ) == 0, "mprotect works");
                     if (sigsetjmp(back, 1) == 0) pages.word<volatile int>(1) = 6;
                     if (faults_seen != 2) return 3;
                     return log.count() == 1 && pages.word<int>(1) == 5 ? 0 : 4;
                   }),
                   0));
}

// ---- SIGTRAP

std::atomic<int> traps_seen{0};

TEST_CASE("the program's handler of SIGTRAP gets its breakpoints") {
  CHECK(ended_with(run_in_child([] {
                     handle(SIGTRAP, [](int, siginfo_t*, void*) { ++traps_seen; });
                     WatchedPages pages;
                     ReportLog log;
                     pages.watch(log);
                     asm volatile("int3" ::: "memory");
                     pages.word<std::atomic<int>>(1) += 5;
                     asm volatile("int3" ::: "memory");
                     return traps_seen == 2 && log.count() == 1 ? 0 : 1;
                   }),
                   0));
}

std::array<std::uintptr_t, 16> places{};

void note_place(int, siginfo_t* info, void* context) {
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const auto place = static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
  if (info->si_code == TRAP_TRACE && traps_seen < 16) places[traps_seen++] = place;
}

TEST_CASE("a program that runs one instruction at a time traps after a captured store, too") {
  CHECK(ended_with(run_in_child([] {
                     handle(SIGTRAP, note_place);
                     WatchedPages pages;
                     ReportLog log;
                     pages.watch(log);
                     std::uintptr_t after = 0;
                     std::byte* to = pages.data();
                     std::size_t count = 2;
                     asm volatile(
                         "pushfq\n orq $0x100, (%%rsp)\n popfq\n"
                         "nop\n"
                         "movq $5, (%[at])\n"
                         "1: nop\n"
                         "rep stosb\n"
                         "pushfq\n andq $~0x100, (%%rsp)\n popfq\n"
                         "lea 1b(%%rip), %[after]\n"
                         : [after] "=&r"(after), "+D"(to), "+c"(count)
                         : [at] "r"(pages.data() + 64), "a"(0)
                         : "memory", "cc");
                     // nop, mov, nop, two rounds of stos, pushfq, andq, popfq
                     if (traps_seen != 8) return 10 + traps_seen;
                     if (places[1] != after || places[2] != after + 1) return 1;
                     if (places[3] != after + 1 || places[4] != after + 3) return 2;
                     return log.count() == 3 ? 0 : 3;
                   }),
                   0));
}

// ---- memory beside the watched pages

const WatchedPages* to_repair = nullptr;

TEST_CASE("a store into a neighbour that cannot be written is the program's fault there") {
  const auto store_over_the_end = [](bool mends) {
    WatchedPages pages;
    ReportLog log;
    to_repair = &pages;
    if (mends) {
      handle(SIGSEGV, [](int, siginfo_t* info, void*) {
        ++faults_seen;
        faulting_address = info->si_addr;
        void* after = to_repair->data() + to_repair->bytes();
        must(::mprotect(after, kPage, PROT_READ | PROT_WRITE) == 0, "mprotect works");
      });
    } else {
      ::signal(SIGSEGV, SIG_DFL);
    }
    pages.watch(log);
    std::byte* end = pages.data() + pages.bytes();
    must(::mprotect(end, kPage, PROT_READ) == 0, "mprotect works");
    asm volatile("movq $-1, (%0)" : : "r"(end - 3) : "memory");
    if (faults_seen != 1 || faulting_address.load() != end) return 1;
    if (end[4] != std::byte{0xff} || end[5] != std::byte{0}) return 2;
    return log.count() == 1 && log[0].length == 3 ? 0 : 3;
  };
  CHECK(ended_with(run_in_child([&] { return store_over_the_end(true); }), 0));
  CHECK(killed_by(run_in_child([&] { return store_over_the_end(false); }), SIGSEGV));
}

const TestPages* source_to_repair = nullptr;

TEST_CASE("a copy whose source faults half-way goes on when the program's handler has mended it") {
  CHECK(ended_with(run_in_child([] {
                     const TestPages source(2);
                     source_to_repair = &source;
                     handle(SIGSEGV, [](int, siginfo_t* info, void*) {
                       ++faults_seen;
                       faulting_address = info->si_addr;
                       must(::mprotect(source_to_repair->data(), 2 * kPage, PROT_READ) == 0,
                            "mprotect works");
                     });
                     WatchedPages pages;
                     ReportLog log;
                     pages.watch(log);
                     must(::mprotect(source.page(1), kPage, PROT_NONE) == 0, "mprotect works");
                     std::byte* to = pages.data() + 5;
                     const std::byte* from = source.data() + 100;
                     std::size_t length = kPage;
                     asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
                     if (faults_seen != 1 || faulting_address.load() != source.page(1)) return 1;
                     return std::memcmp(pages.data() + 5, source.data() + 100, kPage) == 0 ? 0 : 2;
                   }),
                   0));
}

// ---- ends

// Runs `code` in a child that must die of SIGSEGV; returns what it wrote to standard error.
template <typename Code>
std::string last_words(Code code) {
  int ends[2];
  must(::pipe(ends) == 0, "there are pipes");
  const int status = run_in_child([&] {
    ::dup2(ends[1], STDERR_FILENO);
    ::signal(SIGSEGV, SIG_DFL);
    code();
    return 0;
  });
  ::close(ends[1]);
  std::string words(1000, '\0');
  words.resize(static_cast<std::size_t>(::read(ends[0], words.data(), words.size())));
  ::close(ends[0]);
  return killed_by(status, SIGSEGV) ? words : "ended otherwise: " + words;
}

bool says(const std::string& words, const std::string& part) {
  INFO(words);
  CHECK(words.starts_with("vmmc: a store to a page bound for automatic update cannot be captured"));
  return words.find(part) != std::string::npos;
}

TEST_CASE("a store that cannot be captured ends the process with a sentence") {
  const auto die_of = [](auto store) {
    return last_words([&] {
      WatchedPages pages;
      ReportLog log;
      pages.watch(log);
      store(pages);
    });
  };
  CHECK(says(die_of([](const WatchedPages& pages) {
               asm volatile("xsave64 (%0)" : : "r"(pages.data()), "a"(3), "d"(0) : "memory");
             }),
             "saves the processor's state: the instruction 48 0f ae"));
  CHECK(says(
      die_of([](const WatchedPages& pages) {
        asm volatile("lock addl $1, (%0)" : : "r"(pages.data() + pages.bytes() - 2) : "memory");
      }),
      "is atomic and reaches beyond the watched pages: the instruction f0 83"));
  if (__builtin_cpu_supports("avx512f") != 0) {
    CHECK(says(die_of([](const WatchedPages& pages) {
                 asm volatile(
                     "vpxord %%zmm1, %%zmm1, %%zmm1\n kxnorw %%k1, %%k1, %%k1\n"
                     "vpscatterdd %%zmm2, (%0,%%zmm1,1)%{%%k1%}"
                     :
                     : "r"(pages.data())
                     : "memory");
               }),
               "scatters: the instruction 62"));
  }
}

class StoringSink final : public StoreSink {
 public:
  explicit StoringSink(volatile int& target) : target_(target) {}
  void stored(const void*, std::size_t) override { target_ = 1; }

 private:
  volatile int& target_;
};

TEST_CASE("a sink that stores to watched pages ends the process with a sentence") {
  CHECK(says(last_words([] {
               WatchedPages pages;
               StoringSink sink(pages.word<volatile int>(7));
               pages.watch(sink);
               pages.word<volatile int>(0) = 1;
             }),
             "is made while a store is reported"));
}

TEST_CASE("a thread that has blocked SIGSEGV is killed by its store") {
  CHECK(killed_by(run_in_child([] {
                    WatchedPages pages;
                    ReportLog log;
                    pages.watch(log);
                    sigset_t mask;
                    ::sigemptyset(&mask);
                    ::sigaddset(&mask, SIGSEGV);
                    ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
                    pages.word<volatile int>(0) = 1;
                    return 0;
                  }),
                  SIGSEGV));
}

}  // namespace
}  // namespace vmmc::internal

#endif
