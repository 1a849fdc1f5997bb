// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/memory_check.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/file_descriptor.h"
#include "tests/support/faults/failing_system_calls.h"
#include "vmmc/internal/memory/memory_test_support.h"

namespace vmmc::internal {
namespace {

MemoryRefusal refusal(const void* address, std::size_t length) {
  const PageRange range = pages_around(reinterpret_cast<std::uintptr_t>(address), length);
  const auto answer = check_memory({&range, 1});
  REQUIRE(answer.ok());
  return answer.value().refusal;
}

// A file of `bytes`, mapped with one page more than it has, or as shared.
class FileMapping {
 public:
  FileMapping(std::size_t bytes, std::size_t mapped, int flags) : bytes_(mapped) {
    const char* directory = std::getenv("TEST_TMPDIR");
    const platform::FileDescriptor file(
        ::open(directory ? directory : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    must(file.valid() && ::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0, "a file");
    data_ = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, flags, file.get(), 0);
    must(data_ != MAP_FAILED, "the file can be mapped");
  }
  ~FileMapping() { ::munmap(data_, bytes_); }
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
  std::size_t bytes_;
};

alignas(wire::kPageSize) char with_content[2 * wire::kPageSize] = {1};
alignas(wire::kPageSize) char zeroed[2 * wire::kPageSize];
alignas(wire::kPageSize) const char kConstant[wire::kPageSize] = {2};
thread_local char of_thread[16];

TEST_CASE("malloc, new, mmap and globals are allowed") {
  CHECK(refusal(with_content, sizeof with_content) == MemoryRefusal::kNone);
  CHECK(refusal(zeroed, sizeof zeroed) == MemoryRefusal::kNone);
  for (const std::size_t bytes : {100u, 100000u, 10000000u}) {
    const auto block = std::make_unique<char[]>(bytes);
    CHECK(refusal(block.get(), bytes) == MemoryRefusal::kNone);
  }
  const TestPages pages(3);
  CHECK(refusal(pages.data(), pages.bytes()) == MemoryRefusal::kNone);
}

TEST_CASE("read-only, shared and absent memory is refused") {
  CHECK(refusal(kConstant, sizeof kConstant) == MemoryRefusal::kNotWritable);
  const TestPages pages(4);
  CHECK(refusal(pages.data(), pages.bytes() + 1) == MemoryRefusal::kUnmapped);
  CHECK(refusal(pages.data() - 1, 2) == MemoryRefusal::kUnmapped);
  REQUIRE(::mprotect(pages.page(1), kPage, PROT_READ) == 0);
  CHECK(refusal(pages.data(), pages.bytes()) == MemoryRefusal::kNotWritable);
  REQUIRE(::mprotect(pages.page(1), kPage, PROT_NONE) == 0);
  CHECK(refusal(pages.data(), pages.bytes()) == MemoryRefusal::kNotReadable);
  void* shared = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  CHECK(refusal(shared, kPage) == MemoryRefusal::kShared);
  ::munmap(shared, kPage);
}

TEST_CASE("a private mapping of a file is allowed up to the end of the file") {
  const FileMapping mapping(2 * kPage, 3 * kPage, MAP_PRIVATE);
  CHECK(refusal(mapping.data(), 2 * kPage) == MemoryRefusal::kNone);
  CHECK(refusal(mapping.data(), 3 * kPage) == MemoryRefusal::kBeyondFile);
  const FileMapping shared(kPage, kPage, MAP_SHARED);
  CHECK(refusal(shared.data(), kPage) == MemoryRefusal::kShared);
}

TEST_CASE("the stack and the thread-local storage of the first thread are refused") {
  char local[16] = {};
  CHECK(refusal(local, sizeof local) == MemoryRefusal::kStack);
  CHECK(refusal(of_thread, sizeof of_thread) == MemoryRefusal::kThreadStorage);
  CHECK(refusal(&errno, sizeof errno) == MemoryRefusal::kThreadStorage);
  MemoryRefusal from_afar = MemoryRefusal::kNone;
  std::thread([&] { from_afar = refusal(local, 1); }).join();
  CHECK(from_afar == MemoryRefusal::kStack);
}

TEST_CASE("stacks and thread-local storage of other threads are refused") {
  constexpr int kThreads = 3;
  std::atomic<const char*> stacks[kThreads] = {};
  std::atomic<const char*> storages[kThreads] = {};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      char local[16];
      stacks[i] = local;
      storages[i] = of_thread;
      while (!done) ::usleep(1000);
    });
  }
  for (int i = 0; i < kThreads; ++i) {
    while (stacks[i] == nullptr || storages[i] == nullptr) ::usleep(1000);
    CHECK(refusal(stacks[i], 16) == MemoryRefusal::kStack);
    CHECK(refusal(storages[i], 16) == MemoryRefusal::kStack);  // at the top of the stack
  }
  // What lies elsewhere is still allowed, also from another thread.
  const TestPages pages(2);
  CHECK(refusal(pages.data(), pages.bytes()) == MemoryRefusal::kNone);
  std::thread([&] {
    char local[16] = {};
    CHECK(refusal(pages.data(), pages.bytes()) == MemoryRefusal::kNone);
    CHECK(refusal(local, sizeof local) == MemoryRefusal::kStack);
  }).join();
  done = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("the signal stack of the calling thread is refused") {
  const TestPages pages(16);
  stack_t stack{};
  stack_t before{};
  stack.ss_sp = pages.data();
  stack.ss_size = pages.bytes();
  REQUIRE(::sigaltstack(&stack, &before) == 0);
  CHECK(refusal(pages.page(3), 1) == MemoryRefusal::kStack);
  REQUIRE(::sigaltstack(&before, nullptr) == 0);
  CHECK(refusal(pages.page(3), 1) == MemoryRefusal::kNone);
}

TEST_CASE("of several ranges the first refusal is told") {
  const TestPages pages(4);
  REQUIRE(::mprotect(pages.page(2), kPage, PROT_READ) == 0);
  const PageRange ranges[] = {pages.range(0, 1), pages.range(1, 2), pages.range(2, 2)};
  const auto answer = check_memory(ranges);
  REQUIRE(answer.ok());
  CHECK(answer.value().refusal == MemoryRefusal::kNotWritable);
  CHECK(answer.value().where == pages.range(2, 1));
}

TEST_CASE("without /proc the answer is an error") {
  const tests::FailingSystemCalls faults(1, ENOENT);
  CHECK_FALSE(check_memory({}).ok());
}

}  // namespace
}  // namespace vmmc::internal
