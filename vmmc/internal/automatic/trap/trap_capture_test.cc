// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the compiler makes of C++, from several threads and while pages come and go.

#include "vmmc/internal/automatic/trap/trap_capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/automatic/trap/watched_pages.h"
#include "vmmc/internal/testing/runs.h"
#include "vmmc/internal/testing/signal_storm.h"

#if defined(__x86_64__)

namespace vmmc::internal {
namespace {

constexpr int kThreads = 3;

template <typename Work>
void in_threads(Work work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([=] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("assignments, copies and atomics are in memory and reported when the next line runs") {
  const testing::Watchdog watchdog;
  WatchedPages pages;
  ReportLog log;
  pages.watch(log);
  auto& word = pages.word<volatile std::uint64_t>(3);
  word = 0x1122334455667788;
  REQUIRE(log.count() == 1);
  CHECK(log[0].address == reinterpret_cast<std::uintptr_t>(&word));
  CHECK(log.word<std::uint64_t>(0) == 0x1122334455667788);
  CHECK(word == 0x1122334455667788);
  CHECK(reinterpret_cast<std::uint64_t*>(pages.alias())[3] == 0x1122334455667788);

  auto& atomic = pages.word<std::atomic<std::uint32_t>>(100);
  CHECK(atomic.fetch_add(7) == 0);
  CHECK(atomic.exchange(9) == 7);
  std::uint32_t expected = 8;
  CHECK_FALSE(atomic.compare_exchange_strong(expected, 10));
  CHECK(expected == 9);
  CHECK(log.count() == 3);  // the exchange that failed has stored nothing
  CHECK(atomic.compare_exchange_strong(expected, 10));
  REQUIRE(log.count() == 4);
  CHECK(log.word<std::uint32_t>(3) == 10);

  log.clear();
  std::vector<std::byte> pattern(kPage + 777);
  for (std::size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<std::byte>(i * 31);
  std::memcpy(pages.data() + 1001, pattern.data(), pattern.size());
  CHECK(std::memcmp(pages.data() + 1001, pattern.data(), pattern.size()) == 0);
  std::vector<bool> seen(pages.bytes());
  for (std::size_t i = 0; i < log.count(); ++i) {
    for (std::size_t k = 0; k < log[i].length; ++k) seen[log[i].address - pages.begin() + k] = true;
  }
  CHECK(std::count(seen.begin(), seen.end(), true) == static_cast<long>(pattern.size()));
  std::memset(pages.data(), 0x5a, pages.bytes());
  CHECK(pages.data()[pages.bytes() - 1] == std::byte{0x5a});
  CHECK(pages.data()[0] == std::byte{0x5a});
}

TEST_CASE("errno is as it was") {
  WatchedPages pages;
  ReportLog log;
  pages.watch(log);
  volatile int& number = errno;  // the compiler expects no store to change it
  number = 1234;
  pages.word<volatile int>(0) = 1;
  CHECK(number == 1234);
}

TEST_CASE("atomic additions of several threads: none is lost, and the reports are their history") {
  const testing::Watchdog watchdog;
  const std::uint64_t each = testing::rounds(4000);
  WatchedPages pages;
  ReportLog log(kThreads * each, kThreads * each * 8);
  pages.watch(log);
  auto& sum = pages.word<std::atomic<std::uint64_t>>(5);
  in_threads([&](int) {
    for (std::uint64_t i = 0; i < each; ++i) sum.fetch_add(1);
  });
  CHECK(sum.load() == kThreads * each);
  REQUIRE(log.count() == kThreads * each);
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < log.count(); ++i) wrong += log.word<std::uint64_t>(i) != i + 1;
  CHECK(wrong == 0);
}

TEST_CASE("plain stores of several threads are reported in the order in which they reach memory") {
  const testing::Watchdog watchdog;
  const std::uint64_t each = testing::rounds(3000);
  WatchedPages one;
  WatchedPages other;
  ReportLog log(2 * kThreads * each, 16 * kThreads * each);
  one.watch(log);
  other.watch(log);
  auto& shared = one.word<std::atomic<std::uint64_t>>(9);
  in_threads([&](int number) {
    auto& own = other.word<volatile std::uint64_t>(number);
    for (std::uint64_t i = 1; i <= each; ++i) {
      own = i;
      shared.store(i * kThreads + number, std::memory_order_relaxed);
    }
  });
  REQUIRE(log.count() == 2 * kThreads * each);
  std::uint64_t last = 0;
  std::array<std::uint64_t, kThreads> own_is{};
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < log.count(); ++i) {
    const auto value = log.word<std::uint64_t>(i);
    if (log[i].address == reinterpret_cast<std::uintptr_t>(&shared)) {
      last = value;
      wrong += own_is[value % kThreads] != value / kThreads;  // it came before, over both watches
    } else {
      std::uint64_t& mine = own_is[(log[i].address - other.begin()) / 8];
      wrong += value != mine + 1;
      mine = value;
    }
  }
  CHECK(wrong == 0);
  CHECK(last == shared.load());
}

// Whether the values of one word that only counts up come without a gap.
class CounterSink final : public StoreSink {
 public:
  explicit CounterSink(const std::atomic<std::uint64_t>& counter) : counter_(counter) {}
  __attribute__((no_sanitize("thread", "address"))) void stored(const void* address,
                                                                std::size_t) override {
    reports_.store(reports_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (address != &counter_) return;
    const std::uint64_t value = counter_.load(std::memory_order_relaxed);
    gaps_ += previous_ != 0 && value != previous_ + 1;
    previous_ = value;
  }

  std::uint64_t reports() const { return reports_.load(); }
  std::uint64_t gaps() const { return gaps_; }

 private:
  const std::atomic<std::uint64_t>& counter_;
  std::atomic<std::uint64_t> reports_{0};
  std::uint64_t gaps_ = 0;
  std::uint64_t previous_ = 0;
};

TEST_CASE("no store is lost while pages are watched and let go again and again") {
  const testing::Watchdog watchdog;
  WatchedPages pages;
  auto& sum = pages.word<std::atomic<std::uint64_t>>(0);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> added{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      std::uint64_t mine = 0;
      auto& own = pages.word<volatile std::uint64_t>(8 + i);
      while (!done) {
        sum.fetch_add(1);
        own = ++mine;
        if (own != mine) std::abort();
      }
      added += mine;
    });
  }
  std::uint64_t wrong = 0;
  std::uint64_t reports = 0;
  for (std::uint64_t round = 0; round < testing::rounds(100); ++round) {
    CounterSink sink(sum);
    pages.watch(sink);
    for (std::uint64_t i = 0; i < 20 && sink.reports() < round % 50; ++i) std::this_thread::yield();
    pages.unwatch();
    const std::uint64_t on_time = sink.reports();
    const std::uint64_t total = sum.load();
    while (sum.load() < total + 3) std::this_thread::yield();
    wrong += sink.gaps() + (sink.reports() - on_time);
    reports += on_time;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(sum.load() == added.load());
  CHECK(wrong == 0);
  CHECK(reports > 0);
}

// ---- signals

std::atomic<std::uint64_t>* interrupted = nullptr;
std::atomic<std::uint64_t> interruptions{0};
std::uint64_t most_interruptions = 0;  // that the log has room for; a slow machine has more signals

// ThreadSanitizer runs handlers inside its own atomics, whose locks it then holds.
#ifdef __SANITIZE_THREAD__
constexpr bool kAtomicsLock = true;
#else
constexpr bool kAtomicsLock = false;
#endif

TEST_CASE("a handler that interrupts a store may store to watched pages itself" *
          doctest::skip(kAtomicsLock)) {
  const testing::Watchdog watchdog;
  const std::uint64_t stores = testing::rounds(5000);
  WatchedPages pages;
  ReportLog log(4 * stores, 32 * stores);
  pages.watch(log);
  interrupted = &pages.word<std::atomic<std::uint64_t>>(0);
  interruptions = 0;
  most_interruptions = 3 * stores;
  ::signal(SIGUSR1, [](int) {
    if (interruptions == most_interruptions) return;
    ++*interrupted;
    ++interruptions;
  });
  {
    const testing::SignalStorm storm(SIGUSR1, 20000);
    for (std::uint64_t i = 0; i < stores; ++i) *interrupted += 1;
  }
  ::signal(SIGUSR1, SIG_DFL);
  CHECK(interruptions > 0);
  CHECK(interrupted->load() == stores + interruptions);
  REQUIRE(log.count() == stores + interruptions);
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < log.count(); ++i) wrong += log.word<std::uint64_t>(i) != i + 1;
  CHECK(wrong == 0);
}

// ---- the kernel

TEST_CASE("the kernel does not store to watched pages: EFAULT, and nothing is lost") {
  WatchedPages pages;
  ReportLog log;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "abcd", 4) == 4);
  pages.watch(log);
  errno = 0;
  CHECK(::read(ends[0], pages.data(), 4) == -1);
  CHECK(errno == EFAULT);
  CHECK(log.count() == 0);
  pages.unwatch();
  CHECK(::read(ends[0], pages.data(), 4) == 4);  // it is still in the pipe
  CHECK(std::memcmp(pages.data(), "abcd", 4) == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

// ---- errors

TEST_CASE("what cannot be watched, or is not, is refused") {
  WatchedPages pages;
  WatchedPages others;
  ReportLog log;
  CHECK(watch_stores({pages.begin(), pages.begin()}, pages.alias(), log)->number == EINVAL);
  CHECK(watch_stores(pages.range(), nullptr, log)->number == EINVAL);
  CHECK(watch_stores(pages.range(), pages.alias() + 8, log)->number == EINVAL);
  CHECK(unwatch_stores(pages.range())->number == ENOENT);
  pages.watch(log);
  others.watch(log);
  CHECK(watch_stores(pages.range(), pages.alias(), log)->number == EEXIST);
  const PageRange second{pages.begin() + kPage, pages.end()};
  CHECK(watch_stores(second, pages.alias() + kPage, log)->number == EEXIST);
  CHECK(unwatch_stores(second)->number == ENOENT);
  pages.word<volatile int>(0) = 1;
  CHECK(log.count() == 1);
}

TEST_CASE("if the protection cannot be changed, all is as before") {
  WatchedPages pages;
  ReportLog log;
  {
    const tests::FailingSystemCalls faults(1, ENOMEM);
    const auto error = watch_stores(pages.range(), pages.alias(), log);
    REQUIRE(error);
    CHECK(error->number == ENOMEM);
  }
  pages.word<volatile int>(0) = 1;
  CHECK(log.count() == 0);
  pages.watch(log);
  {
    const tests::FailingSystemCalls faults(1, ENOMEM);
    const auto error = unwatch_stores(pages.range());
    REQUIRE(error);
    CHECK(error->number == ENOMEM);
  }
  pages.word<volatile int>(0) = 2;
  CHECK(log.count() == 1);
}

// ---- fork

TEST_CASE("a forked child that has forgotten the watches may watch pages of its own") {
  WatchedPages pages;
  ReportLog log;
  pages.watch(log);
  CHECK(ended_with(run_in_child([&] {
                     forget_watches_after_fork();
                     must(::mmap(pages.data(), pages.bytes(), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED,
                          "the pages can be replaced");
                     pages.word<volatile int>(0) = 1;
                     if (log.count() != 0) return 1;
                     WatchedPages own;
                     own.watch(log);
                     own.word<volatile int>(0) = 2;
                     return log.count() == 1 && own.word<volatile int>(0) == 2 ? 0 : 2;
                   }),
                   0));
  CHECK(log.count() == 0);
  pages.word<volatile int>(0) = 3;
  CHECK(log.count() == 1);
}

}  // namespace
}  // namespace vmmc::internal

#endif
