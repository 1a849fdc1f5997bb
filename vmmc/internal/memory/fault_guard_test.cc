// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Most cases run in a child: the handler of SIGSEGV is the process's, and the child may die of it.

#include "vmmc/internal/memory/fault_guard.h"

#include <doctest/doctest.h>
#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {
namespace {

void handle(void (*handler)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  must(::sigaction(SIGSEGV, &action, nullptr) == 0, "sigaction works");
}
void handle_by_default() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  must(::sigaction(SIGSEGV, &action, nullptr) == 0, "sigaction works");
}
void install() { must(!install_fault_guard().has_value(), "the guard can be installed"); }

void protect(const TestPages& pages, int protection) {
  must(::mprotect(pages.data(), pages.bytes(), protection) == 0, "mprotect works");
}

TEST_CASE("a store to guarded pages waits until they can be written and is made then") {
  const Watchdog watchdog;
  install();
  const TestPages pages(2);
  auto& word = reinterpret_cast<std::atomic<std::uint64_t>*>(pages.data())[600];
  std::atomic<bool> about_to_store{false};
  std::atomic<bool> stored{false};
  int number_after = 0;
  std::atomic<bool> go{false};
  std::thread storer([&] {
    while (!go) std::this_thread::yield();
    errno = 1234;
    about_to_store = true;
    word = 42;
    number_after = errno;
    stored = true;
  });
  {
    const GuardedPages guard(pages.range());
    protect(pages, PROT_READ);
    go = true;
    while (!about_to_store) std::this_thread::yield();
    ::usleep(50000);  // long enough to fault in nearly every run; any length is correct
    CHECK_FALSE(stored.load());
    protect(pages, PROT_READ | PROT_WRITE);
  }
  storer.join();
  CHECK(word.load() == 42);
  CHECK(number_after == 1234);
}

TEST_CASE("no store is taken for the program's own fault, however guarding begins and ends") {
  const Watchdog watchdog;
  install();
  const TestPages pages(1);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> stores{0};
  std::thread storer([&] {
    while (!done) {
      pages.word(7) = stores.load();
      ++stores;
    }
  });
  for (int round = 0; round < 3000; ++round) {
    const GuardedPages guard(pages.range());
    protect(pages, PROT_READ);
    protect(pages, PROT_READ | PROT_WRITE);
  }
  const std::uint64_t so_far = stores;
  while (stores == so_far) std::this_thread::yield();  // it still runs
  done = true;
  storer.join();
}

TEST_CASE("a fault that is the program's own ends the process by SIGSEGV") {
  const TestPages pages(2);
  auto fault = [&](int protection, bool guarded_before, bool other_guarded_now) {
    return run_in_child([&] {
      handle_by_default();
      install();
      if (guarded_before) {
        const GuardedPages guard(pages.range());
      }
      protect(pages, protection);
      const TestPages other(1);
      if (!other_guarded_now) {
        pages.word(3) = 1;
        return 0;
      }
      const GuardedPages guard(other.range());
      pages.word(3) = 1;
      return 0;
    });
  };
  CHECK(killed_by(fault(PROT_NONE, false, false), SIGSEGV));
  CHECK(killed_by(fault(PROT_READ, false, false), SIGSEGV));
  CHECK(killed_by(fault(PROT_READ, true, false), SIGSEGV));
  CHECK(killed_by(fault(PROT_NONE, true, false), SIGSEGV));
  CHECK(killed_by(fault(PROT_READ, true, true), SIGSEGV));
  CHECK(ended_with(fault(PROT_READ | PROT_WRITE, true, true), 0));
}

TEST_CASE("unmapped memory and a sent SIGSEGV end the process, too") {
  CHECK(killed_by(run_in_child([] {
                    handle_by_default();
                    install();
                    std::uintptr_t address = 0;
                    {
                      const TestPages pages(1);
                      const GuardedPages guard(pages.range());
                      address = pages.range().begin;
                    }
                    *reinterpret_cast<volatile char*>(address) = 1;
                    return 0;
                  }),
                  SIGSEGV));
  CHECK(killed_by(run_in_child([] {
                    handle_by_default();
                    install();
                    ::raise(SIGSEGV);
                    return 0;
                  }),
                  SIGSEGV));
}

TEST_CASE("the guarding thread itself does not wait for itself") {
  const TestPages pages(1);
  CHECK(killed_by(run_in_child([&] {
                    handle_by_default();
                    install();
                    const GuardedPages guard(pages.range());
                    protect(pages, PROT_READ);
                    pages.word(0) = 1;
                    return 0;
                  }),
                  SIGSEGV));
}

TEST_CASE("an ignored SIGSEGV that was sent stays ignored") {
  CHECK(ended_with(run_in_child([] {
                     ::signal(SIGSEGV, SIG_IGN);
                     install();
                     ::raise(SIGSEGV);
                     return 7;
                   }),
                   7));
}

// ---- the program's own handlers

sigjmp_buf back;
std::atomic<void*> faulting_address{nullptr};
std::atomic<int> faults_seen{0};
bool blocked_in_handler = false;

#ifdef __SANITIZE_THREAD__
constexpr bool kMasksAreOwn = false;  // ThreadSanitizer runs every handler with all signals blocked
#else
constexpr bool kMasksAreOwn = true;
#endif

void jump_back(int, siginfo_t* info, void*) {
  faulting_address = info->si_addr;
  ++faults_seen;
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  blocked_in_handler = ::sigismember(&mask, SIGSEGV) == 1;
  siglongjmp(back, 1);
}

// Makes one store that the program's handler ends by a jump; true if the handler saw this store.
bool handler_sees_store(const TestPages& pages) {
  const int before = faults_seen;
  if (sigsetjmp(back, 1) == 0) pages.word(5) = 1;
  return faults_seen == before + 1 &&
         faulting_address.load() == reinterpret_cast<std::byte*>(pages.data()) + 40;
}

TEST_CASE("the program's own handler is called as if there were no guard") {
  const TestPages pages(1);
  CHECK(ended_with(run_in_child([&] {
                     handle(jump_back);
                     install();
                     install();
                     { const GuardedPages guard(pages.range()); }
                     protect(pages, PROT_NONE);
                     if (!handler_sees_store(pages)) return 1;
                     if (!blocked_in_handler) return 2;
                     if (!handler_sees_store(pages)) return 3;  // the mask is as it was
                     return 0;
                   }),
                   0));
  CHECK(ended_with(run_in_child([&] {
                     handle(jump_back, SA_NODEFER);
                     install();
                     protect(pages, PROT_NONE);
                     if (!handler_sees_store(pages)) return 1;
                     return kMasksAreOwn && blocked_in_handler ? 2 : 0;
                   }),
                   0));
}

const TestPages* to_repair = nullptr;

TEST_CASE("the program's own handler may mend the page and return, and errno is as it was") {
  const TestPages pages(1);
  CHECK(ended_with(run_in_child([&] {
                     to_repair = &pages;
                     handle([](int, siginfo_t*, void*) {
                       ++faults_seen;
                       protect(*to_repair, PROT_READ | PROT_WRITE);
                     });
                     install();
                     { const GuardedPages guard(pages.range()); }  // so that the guard looks closer
                     protect(pages, PROT_READ);
                     volatile int& number = errno;  // the compiler expects no store to change it
                     number = 1234;
                     pages.word(5) = 55;
                     if (number != 1234) return 1;
                     return faults_seen == 1 && pages.word(5) == 55 ? 0 : 2;
                   }),
                   0));
}

TEST_CASE("a handler that is to be used once is used once") {
  const TestPages pages(1);
  CHECK(killed_by(run_in_child([&] {
                    handle(jump_back, SA_RESETHAND);
                    install();
                    protect(pages, PROT_NONE);
                    if (!handler_sees_store(pages)) return 1;
                    pages.word(0) = 1;
                    return 2;
                  }),
                  SIGSEGV));
}

TEST_CASE("a handler without information is called with the number of the signal") {
  CHECK(ended_with(run_in_child([] {
                     ::signal(SIGSEGV, [](int signal) { ::_exit(signal == SIGSEGV ? 9 : 1); });
                     install();
                     ::raise(SIGSEGV);
                     return 2;
                   }),
                   9));
}

// ---- a handler put on top of the guard

struct sigaction below {};

void jump_or_pass_on(int signal, siginfo_t* info, void* context) {
  ++faults_seen;
  below.sa_sigaction(signal, info, context);
}

TEST_CASE("a handler on top of the guard may pass faults on, and the guard goes on top again") {
  const Watchdog watchdog;
  const TestPages own(1);
  CHECK(ended_with(run_in_child([&] {
                     handle(jump_back);
                     install();
                     must(::sigaction(SIGSEGV, nullptr, &below) == 0, "sigaction works");
                     handle(jump_or_pass_on, SA_NODEFER | SA_ONSTACK);
                     install();
                     install();
                     protect(own, PROT_NONE);
                     if (sigsetjmp(back, 1) == 0) own.word(5) = 1;
                     return faults_seen == 2 ? 0 : 1;  // each handler once
                   }),
                   0));
}

TEST_CASE("a program that changes its handler again and again is refused in the end") {
  CHECK(ended_with(run_in_child([] {
                     constexpr int kFlags[] = {SA_NODEFER, SA_ONSTACK, SA_RESTART, SA_NOCLDSTOP};
                     int accepted = 0;
                     for (int i = 0; i < 16; ++i) {
                       int flags = 0;
                       for (int bit = 0; bit < 4; ++bit)
                         flags |= ((i >> bit) & 1) != 0 ? kFlags[bit] : 0;
                       handle(jump_back, flags);
                       const auto error = install_fault_guard();
                       if (error && error->number != EBUSY) return 1;
                       accepted += error ? 0 : 1;
                     }
                     // One place may have been taken before the fork.
                     return accepted == 7 || accepted == 8 ? 0 : 2;
                   }),
                   0));
}

// ---- captured stores

const TestPages* captured_pages = nullptr;
std::atomic<int> captured{0};

// Captures by making the pages writable; so the store is made when it is tried again.
bool capture(const siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const PageRange pages = captured_pages->range();
  if (address < pages.begin || address >= pages.end) return false;
  ++captured;
  protect(*captured_pages, PROT_READ | PROT_WRITE);
  return true;
}

TEST_CASE("a store that is captured is nobody else's; any other fault is as before") {
  const TestPages pages(1);
  const TestPages own(1);
  CHECK(ended_with(run_in_child([&] {
                     captured_pages = &pages;
                     handle(jump_back);
                     install();
                     capture_stores_with(&capture);
                     protect(pages, PROT_READ);
                     pages.word(3) = 1;
                     if (captured != 1 || faults_seen != 0) return 1;
                     protect(own, PROT_READ);
                     return handler_sees_store(own) && captured == 1 ? 0 : 2;
                   }),
                   0));
}

const TestPages* released_pages = nullptr;

TEST_CASE("a store that comes too late to be captured is made again") {
  const TestPages pages(1);
  CHECK(ended_with(run_in_child([&] {
                     released_pages = &pages;
                     handle_by_default();
                     install();
                     capture_stores_with([](const siginfo_t*, void*) {
                       protect(*released_pages, PROT_READ | PROT_WRITE);
                       return false;  // they are no longer captured
                     });
                     expect_late_faults(pages.range());
                     protect(pages, PROT_READ);
                     pages.word(3) = 1;
                     return pages.word(3) == 1 ? 0 : 1;
                   }),
                   0));
}

TEST_CASE("a store to pages that are protected between two looks at it is looked at again") {
  const TestPages pages(1);
  CHECK(ended_with(run_in_child([&] {
                     released_pages = &pages;
                     handle_by_default();
                     install();
                     capture_stores_with([](const siginfo_t*, void*) {
                       if (captured++ > 0) {
                         protect(*released_pages, PROT_READ | PROT_WRITE);
                         return true;
                       }
                       expect_late_faults(released_pages->range());
                       return false;
                     });
                     expect_late_faults(pages.range());
                     protect(pages, PROT_READ);
                     pages.word(3) = 1;
                     return captured == 2 && pages.word(3) == 1 ? 0 : 1;
                   }),
                   0));
}

TEST_CASE("stores may be captured between those that were ever expected, and nowhere else") {
  const TestPages pages(4);
  CHECK(ended_with(run_in_child([&] {
                     const PageRange all = pages.range();
                     const auto page = [&](std::size_t i) {
                       const std::uintptr_t begin = all.begin + i * wire::kPageSize;
                       return PageRange{begin, begin + wire::kPageSize};
                     };
                     install();
                     { const GuardedPages guarded(all); }
                     if (may_be_captured(all)) return 1;
                     expect_late_faults(page(1));
                     if (may_be_captured(page(0)) || may_be_captured(page(2))) return 2;
                     if (!may_be_captured(page(1)) || !may_be_captured(all)) return 3;
                     expect_late_faults(page(3));
                     return may_be_captured(page(2)) && !may_be_captured(page(0)) ? 0 : 4;
                   }),
                   0));
}

}  // namespace
}  // namespace vmmc::internal
