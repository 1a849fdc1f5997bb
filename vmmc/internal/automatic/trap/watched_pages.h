// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For tests: pages of shared memory that can be watched, between ordinary pages, and a sink that
// keeps what it hears.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "platform/shared_memory.h"
#include "vmmc/internal/automatic/trap/trap_capture.h"
#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {

struct Report {
  std::uintptr_t address;
  std::size_t length;
  std::size_t first_byte;  // in ReportLog::bytes()
};

// Allocates nothing while it hears. Not to be instrumented: a sanitizer may have made the store.
class ReportLog final : public StoreSink {
 public:
  explicit ReportLog(std::size_t most = 1 << 14, std::size_t most_bytes = 1 << 18)
      : reports_(most), bytes_(most_bytes) {}

  __attribute__((no_sanitize("thread", "address"))) void stored(const void* address,
                                                                std::size_t length) override {
    const std::size_t number = count_.load(std::memory_order_relaxed);
    must(number < reports_.size() && used_ + length <= bytes_.size(), "the log has room");
    const auto where = reinterpret_cast<std::uintptr_t>(address);
    must(length > 0 && where / kPage == (where + length - 1) / kPage, "a report is of one page");
    reports_.data()[number] = {where, length, used_};
    const auto* from = static_cast<const volatile std::byte*>(address);
    for (std::size_t i = 0; i < length; ++i) bytes_.data()[used_ + i] = from[i];
    used_ += length;
    count_.store(number + 1, std::memory_order_release);
  }

  std::size_t count() const { return count_.load(std::memory_order_acquire); }
  const Report& operator[](std::size_t index) const { return reports_[index]; }
  const std::byte* bytes(const Report& report) const { return &bytes_[report.first_byte]; }
  template <typename Word>
  Word word(std::size_t index) const {
    Word word{};
    must((*this)[index].length == sizeof word, "the report is of one word");
    std::memcpy(&word, bytes((*this)[index]), sizeof word);
    return word;
  }
  void clear() {
    used_ = 0;
    count_.store(0);
  }

 private:
  std::vector<Report> reports_;
  std::vector<std::byte> bytes_;
  // Atomic, for the compiler does not expect a plain store elsewhere to change it.
  std::atomic<std::size_t> count_{0};
  std::size_t used_ = 0;
};

// One ordinary page, `pages` that can be watched, one ordinary page.
class WatchedPages {
 public:
  explicit WatchedPages(std::size_t pages = 2) : bytes_(pages * kPage) {
    auto memory = platform::create_shared_memory("watched", bytes_);
    must(memory.ok(), "there is shared memory");
    all_ = ::mmap(nullptr, bytes_ + 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                  -1, 0);
    must(all_ != MAP_FAILED, "there is memory");
    must(::mmap(data(), bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                memory.value().get(), 0) == data(),
         "shared memory can be mapped");
    auto alias = platform::SharedMapping::map(memory.value().get(), bytes_);
    must(alias.ok(), "shared memory can be mapped twice");
    alias_ = std::move(alias.value());
  }
  ~WatchedPages() {
    if (watched_) unwatch();
    ::munmap(all_, all_bytes());
  }
  WatchedPages(const WatchedPages&) = delete;
  WatchedPages& operator=(const WatchedPages&) = delete;

  void watch(StoreSink& sink) {
    must(!watch_stores(range(), alias_.data(), sink), "the pages can be watched");
    watched_ = true;
  }
  void unwatch() {
    must(!unwatch_stores(range()), "the pages can be let go");
    watched_ = false;
  }

  std::byte* data() const { return static_cast<std::byte*>(all_) + kPage; }
  std::byte* alias() const { return alias_.data(); }
  std::size_t bytes() const { return bytes_; }
  std::uintptr_t begin() const { return reinterpret_cast<std::uintptr_t>(data()); }
  std::uintptr_t end() const { return begin() + bytes_; }
  PageRange range() const { return {begin(), end()}; }
  // With the ordinary pages.
  std::byte* all() const { return static_cast<std::byte*>(all_); }
  std::size_t all_bytes() const { return bytes_ + 2 * kPage; }

  template <typename Word>
  Word& word(std::size_t index) const {
    return reinterpret_cast<Word*>(data())[index];
  }

 private:
  std::size_t bytes_;
  void* all_ = nullptr;
  platform::SharedMapping alias_;
  bool watched_ = false;
};

// A signal stack for the calling thread: for stores by instructions that use the stack pointer.
class SignalStack {
 public:
  SignalStack() : memory_(kBytes) {
    const stack_t stack = {memory_.data(), 0, memory_.size()};
    must(::sigaltstack(&stack, &before_) == 0, "there is a signal stack");
  }
  ~SignalStack() { ::sigaltstack(&before_, nullptr); }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr std::size_t kBytes = 1 << 16;
  std::vector<std::byte> memory_;
  stack_t before_{};
};

}  // namespace vmmc::internal
