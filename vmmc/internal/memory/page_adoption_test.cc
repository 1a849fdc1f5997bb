// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/page_adoption.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "platform/shared_memory.h"
#include "platform/system_calls.h"
#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {
namespace {

// A memfd and another view of it, as nicsim has one.
struct Segment {
  explicit Segment(std::size_t pages) {
    auto created = platform::create_shared_memory("vmmc-adoption-test", pages * kPage);
    must(created.ok(), "shared memory");
    memory = std::move(created.value());
    auto mapped = platform::SharedMapping::map(memory.get(), pages * kPage);
    must(mapped.ok(), "a mapping");
    view = std::move(mapped.value());
  }
  volatile std::uint64_t& word(std::size_t index) const {
    return reinterpret_cast<volatile std::uint64_t*>(view.data())[index];
  }
  platform::FileDescriptor memory;
  platform::SharedMapping view;
};

AdoptionError adopt(const TestPages& pages, const Segment& segment) {
  return adopt_pages(pages.range(), segment.memory.get(), 0);
}

constexpr std::size_t kWordsPerPage = kPage / sizeof(std::uint64_t);

TEST_CASE("adopted pages keep their content and are pages of the memfd") {
  const TestPages pages(5);
  const Segment segment(5);
  REQUIRE_FALSE(adopt(pages, segment).has_value());
  CHECK(pages.holds_pattern());
  CHECK(is_shared(pages.data()));
  CHECK(segment.word(4 * kWordsPerPage) == TestPages::pattern(4 * kWordsPerPage));
  pages.word(3) = 33;
  CHECK(segment.word(3) == 33);
  segment.word(4) = 44;
  CHECK(pages.word(4) == 44);
}

TEST_CASE("a part of the memory becomes another part of the memfd") {
  const TestPages pages(4);
  const Segment segment(8);
  REQUIRE_FALSE(adopt_pages(pages.range(1, 2), segment.memory.get(), 6 * kPage).has_value());
  CHECK(pages.holds_pattern());
  CHECK_FALSE(is_shared(pages.page(0)));
  CHECK(is_shared(pages.page(1)));
  CHECK(is_shared(pages.page(2)));
  CHECK_FALSE(is_shared(pages.page(3)));
  CHECK(segment.word(6 * kWordsPerPage) == TestPages::pattern(kWordsPerPage));
}

TEST_CASE("pages given back are private, with the content they had") {
  const TestPages pages(3);
  const Segment segment(3);
  REQUIRE_FALSE(adopt(pages, segment).has_value());
  segment.word(8) = 88;
  REQUIRE_FALSE(give_back_pages(pages.range()).has_value());
  CHECK_FALSE(is_shared(pages.data()));
  CHECK(pages.word(8) == 88);
  pages.word(8) = 99;
  CHECK(segment.word(8) == 88);
  pages.word(8) = TestPages::pattern(8);
  CHECK(pages.holds_pattern());
}

TEST_CASE("untouched memory, never backed by a page, can be adopted") {
  void* memory =
      ::mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  const PageRange range = pages_around(reinterpret_cast<std::uintptr_t>(memory), 16 * kPage);
  const Segment segment(16);
  CHECK_FALSE(adopt_pages(range, segment.memory.get(), 0).has_value());
  static_cast<volatile std::uint64_t*>(memory)[20] = 5;
  CHECK(segment.word(20) == 5);
  ::munmap(memory, 16 * kPage);
}

// Stores ever higher numbers to words of its own and looks each time whether the last one is still
// there.
class Counter {
 public:
  Counter(const TestPages& pages, std::size_t first, std::atomic<bool>& done)
      : thread_([this, &pages, first, &done] {
          for (std::uint64_t number = 0; !done; ++number) {
            for (std::size_t i = first; i < pages.words(); i += kWordsPerPage) {
              if (number > 0 && pages.word(i) != number - 1) ++lost_;
              pages.word(i) = number;
            }
            rounds_ = number;
          }
        }) {}
  std::uint64_t rounds() const { return rounds_; }
  std::uint64_t lost() {
    thread_.join();
    return lost_;
  }

 private:
  std::uint64_t lost_ = 0;
  std::atomic<std::uint64_t> rounds_{0};
  std::thread thread_;
};

TEST_CASE("no store of another thread is lost while pages come and go") {
  const Watchdog watchdog;
  const TestPages pages(4);
  std::atomic<bool> done{false};
  Counter first(pages, 10, done);
  Counter second(pages, 20, done);
  // Only adoptions during which the others stored prove anything.
  int rounds = 0;
  for (int proofs = 0; proofs < 500 && rounds < 20000; ++rounds) {
    const Segment segment(4);
    const std::uint64_t before = first.rounds() + second.rounds();
    REQUIRE_FALSE(adopt(pages, segment).has_value());
    REQUIRE_FALSE(give_back_pages(pages.range()).has_value());
    if (first.rounds() + second.rounds() != before) ++proofs;
  }
  MESSAGE(rounds << " rounds");
  done = true;
  CHECK(first.lost() == 0);
  CHECK(second.lost() == 0);
}

TEST_CASE("atomic additions of several threads are all counted") {
  const Watchdog watchdog;
  const TestPages pages(1);
  pages.word(0) = 0;
  auto& sum = *reinterpret_cast<std::atomic<std::uint64_t>*>(pages.data());
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> additions{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      std::uint64_t made = 0;
      for (; !done; ++made) sum.fetch_add(1);
      additions += made;
    });
  }
  for (int round = 0; round < 500; ++round) {
    const Segment segment(1);
    REQUIRE_FALSE(adopt(pages, segment).has_value());
    REQUIRE_FALSE(give_back_pages(pages.range()).has_value());
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(sum.load() == additions.load());
}

TEST_CASE("the heap goes on working around and on adopted pages") {
  const Watchdog watchdog;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(std::make_unique<char[]>(1000));
  const PageRange range = pages_around(reinterpret_cast<std::uintptr_t>(blocks[20].get()), 1000);
  std::atomic<bool> done{false};
  std::thread allocating([&] {
    while (!done) {
      for (int i = 0; i < 40; ++i) {
        if (i == 20) continue;
        blocks[static_cast<std::size_t>(i)] = std::make_unique<char[]>(1000);
      }
    }
  });
  for (int round = 0; round < 200; ++round) {
    const Segment segment(range.pages());
    blocks[20][7] = static_cast<char>(round);
    REQUIRE_FALSE(adopt_pages(range, segment.memory.get(), 0).has_value());
    REQUIRE(blocks[20][7] == static_cast<char>(round));
    REQUIRE_FALSE(give_back_pages(range).has_value());
    REQUIRE(blocks[20][7] == static_cast<char>(round));
  }
  done = true;
  allocating.join();
}

TEST_CASE("an adoption that fails leaves the pages as before, whichever call fails") {
  const TestPages pages(3);
  const Segment segment(3);
  unsigned failures = 0;
  for (unsigned n = 1;; ++n) {
    AdoptionError error;
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      error = adopt(pages, segment);
      if (faults.failed_call() == nullptr) break;
      REQUIRE(error.has_value());
    }
    ++failures;
    CAPTURE(n);
    CHECK(error->number == ENOMEM);
    CHECK_FALSE(is_shared(pages.data()));
    CHECK(pages.holds_pattern());
    pages.word(1) = pages.word(1);  // can be written
  }
  CHECK(failures >= 4);
  CHECK(is_shared(pages.data()));
  CHECK(pages.holds_pattern());
}

TEST_CASE("pages that cannot be given back stay adopted, whichever call fails") {
  const TestPages pages(3);
  const Segment segment(3);
  REQUIRE_FALSE(adopt(pages, segment).has_value());
  for (unsigned n = 1;; ++n) {
    AdoptionError error;
    {
      const tests::FailingSystemCalls faults(n, ENOMEM);
      error = give_back_pages(pages.range());
      if (faults.failed_call() == nullptr) break;
      REQUIRE(error.has_value());
    }
    CAPTURE(n);
    CHECK(is_shared(pages.data()));
    CHECK(pages.holds_pattern());
    pages.word(1) = 11;
    CHECK(segment.word(1) == 11);
    pages.word(1) = TestPages::pattern(1);
  }
  CHECK_FALSE(is_shared(pages.data()));
  CHECK(pages.holds_pattern());
}

void* hole = nullptr;

TEST_CASE("pages that the program has unmapped are an error, even if the kernel maps there next") {
  const Segment segment(4);
  PageRange range;
  {
    const TestPages pages(4);
    range = pages.range();
    REQUIRE_FALSE(adopt(pages, segment).has_value());
  }
  CHECK(give_back_pages(range).has_value());
  platform::SystemCalls into_hole = platform::real_system_calls();
  into_hole.mmap = [](void*, std::size_t length, int protection, int flags, int fd, off_t offset) {
    return ::mmap(hole, length, protection, flags, fd, offset);
  };
  platform::replace_system_calls(&into_hole);
  for (const std::uintptr_t place : {range.begin, range.begin + kPage, range.begin - kPage}) {
    hole = reinterpret_cast<void*>(place);
    CHECK(give_back_pages(range).has_value());
    CHECK(adopt_pages(range, segment.memory.get(), 0).has_value());
  }
  platform::replace_system_calls(nullptr);
  CHECK_FALSE(is_mapped(range.data()));
}

// ---- fork

// Forks as the library does. Returns what `child` returned.
template <typename Child>
int fork_adopted(Child child) {
  hold_adoptions();
  const int status = run_in_child([&] {
    const int code = child();
    resume_adoptions();
    return code;
  });
  resume_adoptions();
  return status;
}

TEST_CASE("a forked child gets a private copy") {
  const TestPages pages(100);
  const Segment segment(100);
  REQUIRE_FALSE(adopt(pages, segment).has_value());
  CHECK(ended_with(fork_adopted([&] {
                     make_pages_private_in_child(pages.range());
                     if (!pages.holds_pattern() || is_shared(pages.data())) return 1;
                     pages.word(6) = 66;
                     segment.word(7) = 77;  // as nicsim goes on receiving for the parent
                     return pages.word(7) == TestPages::pattern(7) ? 0 : 2;
                   }),
                   0));
  CHECK(pages.word(6) == TestPages::pattern(6));
  CHECK(pages.word(7) == 77);
  CHECK(is_shared(pages.data()));
}

TEST_CASE("a child that is short of memory goes on in small steps") {
  const TestPages pages(100);
  const Segment segment(100);
  REQUIRE_FALSE(adopt(pages, segment).has_value());
  for (unsigned n = 1; n <= 2; ++n) {
    CHECK(ended_with(fork_adopted([&] {
                       const tests::FailingSystemCalls faults(n, ENOMEM);
                       make_pages_private_in_child(pages.range());
                       if (faults.failed_call() == nullptr) return 1;
                       return pages.holds_pattern() && !is_shared(pages.data()) ? 0 : 2;
                     }),
                     0));
  }
}

TEST_CASE("pages for which a child has no memory at all are not shared either") {
  const TestPages pages(100);
  const Segment segment(100);
  REQUIRE_FALSE(adopt(pages, segment).has_value());
  CHECK(ended_with(fork_adopted([&] {
                     platform::SystemCalls no_memory = platform::real_system_calls();
                     no_memory.mmap = [](void*, std::size_t, int, int, int, off_t) -> void* {
                       errno = ENOMEM;
                       return MAP_FAILED;
                     };
                     platform::replace_system_calls(&no_memory);
                     make_pages_private_in_child(pages.range());
                     platform::replace_system_calls(nullptr);
                     return is_mapped(pages.page(0)) || is_mapped(pages.page(99)) ? 1 : 0;
                   }),
                   0));
  CHECK(pages.holds_pattern());
}

}  // namespace
}  // namespace vmmc::internal
