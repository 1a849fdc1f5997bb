// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

// A life of a process from vmmc_init to vmmc_finalize, again and again, in which each time another
// system call fails.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/faults/process_view.h"
#include "tests/support/faults/failing_system_calls.h"
#include "tests/support/processes/nicsim_process.h"
#include "tests/support/processes/run_processes.h"
#include "vmmc/vmmc.h"

using namespace vmmc::testing;
using vmmc::tests::FailingSystemCalls;

namespace {

constexpr std::size_t kHeapBytes = 20'000;
constexpr std::size_t kAllocatedBytes = 12'288;
constexpr std::size_t kPagesBytes = 8192;
constexpr std::uint64_t kPatience = 10'000'000'000;  // ns; a hang is a TIMEOUT then

unsigned char pattern(std::size_t i) { return static_cast<unsigned char>(i * 7 + i / 251); }

// Whole pages, with the first bytes of the heap, but for a word.
alignas(4096) unsigned char pages[kPagesBytes];

// One life. Each call that can be made is made, whatever became of those before.
class Life {
 public:
  // A tidy one gives back what it took; the other leaves that to vmmc_finalize.
  Life(std::vector<unsigned char>& heap, bool tidy) : heap_(heap), tidy_(tidy) {}

  void live() {
    if (!step("vmmc_init", vmmc_init(nullptr))) {
      EXPECT(vmmc_fence() == VMMC_ERR_NOT_ATTACHED);
      EXPECT(vmmc_finalize() == VMMC_ERR_NOT_ATTACHED);
      return;
    }
    export_both();
    send_both();
    use_host_executor();
    if (tidy_) give_back();
    step("vmmc_finalize", vmmc_finalize());
    EXPECT(vmmc_finalize() == VMMC_ERR_NOT_ATTACHED);
  }

  struct Failure {
    std::string call;
    int status;
    std::string sentence;
  };
  const std::vector<Failure>& failures() const { return failures_; }

 private:
  void give_back() {
    for (void* proxy : {to_memory_, to_heap_, to_pages_}) {
      if (proxy != nullptr) step("vmmc_unimport", vmmc_unimport(proxy));
    }
    if (heap_exported_) step("vmmc_unexport of the heap", vmmc_unexport(1));
    if (memory_exported_) step("vmmc_unexport", vmmc_unexport(2));
    if (pages_exported_) step("vmmc_unexport of the pages", vmmc_unexport(3));
    if (memory_ != nullptr && !memory_exported_) step("vmmc_free", vmmc_free(memory_));
  }

  bool step(const char* call, int status) {
    if (status == VMMC_OK) return true;
    failures_.push_back({call, status, vmmc_last_error()});
    return false;
  }

  void export_both() {
    heap_exported_ =
        step("vmmc_export of the heap", vmmc_export(heap_.data(), kHeapBytes, 1, nullptr));
    if (!step("vmmc_alloc", vmmc_alloc(kAllocatedBytes, &memory_))) memory_ = nullptr;
    memory_exported_ = memory_ != nullptr &&
                       step("vmmc_export", vmmc_export(memory_, kAllocatedBytes, 2, nullptr));
  }

  void* import(std::uint32_t id) {
    const vmmc_import_options options{VMMC_WRITE, VMMC_EXECUTOR_AUTO, kPatience};
    void* proxy = nullptr;
    return step("vmmc_import", vmmc_import(vmmc_self(), id, &options, &proxy, nullptr)) ? proxy
                                                                                        : nullptr;
  }

  // Into each buffer what is in the other: the heap gets back what it has.
  void send_both() {
    if (memory_exported_) to_memory_ = import(2);
    if (heap_exported_) to_heap_ = import(1);
    if (to_memory_ == nullptr) return;
    const bool there = step("vmmc_send", vmmc_send(heap_.data(), to_memory_, kAllocatedBytes)) &&
                       step("vmmc_fence", vmmc_fence());
    if (!there) return;
    EXPECT(std::memcmp(memory_, heap_.data(), kAllocatedBytes) == 0);
    if (to_heap_ == nullptr) return;
    if (step("vmmc_send", vmmc_send(memory_, to_heap_, kAllocatedBytes))) {
      step("vmmc_fence", vmmc_fence());
    }
  }

  // Both sides demand it.
  void use_host_executor() {
    vmmc_export_options exported = VMMC_EXPORT_DEFAULTS;
    exported.executor = VMMC_EXECUTOR_HOST;
    pages_exported_ =
        step("vmmc_export of the pages for host", vmmc_export(pages, kPagesBytes, 3, &exported));
    if (!pages_exported_) return;
    const vmmc_import_options options{VMMC_READ | VMMC_WRITE, VMMC_EXECUTOR_HOST, kPatience};
    if (!step("vmmc_import for host", vmmc_import(vmmc_self(), 3, &options, &to_pages_, nullptr))) {
      to_pages_ = nullptr;
      return;
    }
    for (std::uint64_t number = 1; number <= 3; ++number) {
      if (!step("vmmc_send", vmmc_send(&number, to_pages_, sizeof number))) return;
      EXPECT(std::memcmp(pages, &number, sizeof number) == 0);
      std::uint64_t previous = 0;
      if (!step("vmmc_swap_64", vmmc_swap_64(to_pages_, 0, &previous))) return;
      EXPECT(previous == number);
    }
    EXPECT(std::memcmp(pages + 8, heap_.data() + 8, kPagesBytes - 8) == 0);
  }

  std::vector<unsigned char>& heap_;
  const bool tidy_;
  void* to_pages_ = nullptr;
  bool pages_exported_ = false;
  void* memory_ = nullptr;
  bool heap_exported_ = false;
  bool memory_exported_ = false;
  void* to_memory_ = nullptr;
  void* to_heap_ = nullptr;
  std::vector<Failure> failures_;
};

// What must be the same after each life.
struct Belongings {
  std::size_t descriptors = count_descriptors(0);
  std::size_t mappings = count_mappings();
};

void expect_pattern(const std::vector<unsigned char>& heap) {
  for (std::size_t i = 0; i < kHeapBytes; ++i) EXPECT(heap[i] == pattern(i));
}

bool may_be_interrupted(const std::string& call) {
  static const std::vector<std::string> calls{"connect", "sendmsg", "recvmsg", "allocate"};
  return std::find(calls.begin(), calls.end(), call) != calls.end();
}

// Giving back memory, where the program has nothing to decide.
bool may_fail_in_silence(const std::string& call) { return call == "munmap"; }

class Walk {
 public:
  Walk(int error, std::vector<unsigned char>& heap, bool tidy)
      : error_(error), heap_(heap), tidy_(tidy) {}

  void run() {
    for (unsigned n = 1;; ++n) {
      std::size_t mappings = 0;
      for (int time = 0; time < 3; ++time) {
        if (!live_with_failing(n)) return report(n - 1);
        live_well();
        const Belongings now;
        // The first time may leave a mapping split in two; it stays so.
        if (time == 2 && !kSanitized && !may_fail_in_silence(failed_call_)) {
          if (now.mappings > mappings) describe(n, now.mappings - mappings);
          EXPECT(now.mappings <= mappings);
        }
        mappings = now.mappings;
      }
    }
  }

 private:
  // False if there were less than n calls.
  bool live_with_failing(unsigned n) {
    Life life(heap_, tidy_);
    const std::size_t descriptors = count_descriptors(0);
    {
      FailingSystemCalls faults(n, error_);
      life.live();
      if (faults.failed_call() == nullptr) {
        EXPECT(life.failures().empty());
        return false;
      }
      failed_call_ = faults.failed_call();
    }
    expect_pattern(heap_);
    if (count_descriptors(0) != descriptors) describe(n, count_descriptors(0) - descriptors);
    EXPECT(count_descriptors(0) == descriptors);
    judge(life, n);
    return true;
  }

  void live_well() {
    Life life(heap_, tidy_);
    life.live();
    if (!life.failures().empty()) complain(life.failures().front());
    EXPECT(life.failures().empty());
    expect_pattern(heap_);
  }

  void judge(const Life& life, unsigned n) {
    const auto& failures = life.failures();
    if (failures.empty()) ++silent_[failed_call_];
    if (error_ == EINTR && may_be_interrupted(failed_call_)) {
      if (!failures.empty()) complain(failures.front());
      EXPECT(failures.empty());
    }
    for (const Life::Failure& failure : failures) {
      const bool fitting = failure.status == VMMC_ERR_NICSIM_GONE || is_hosts(failure) ||
                           (failure.status == VMMC_ERR_OUT_OF_MEMORY && error_ == ENOMEM) ||
                           (failure.status == VMMC_ERR_SYSTEM && error_ != ENOMEM);
      if (!fitting || failure.sentence.empty()) {
        std::fprintf(stderr, "call %u, %s, fails\n", n, failed_call_.c_str());
        complain(failure);
      }
      EXPECT(fitting);
      EXPECT(!failure.sentence.empty());
    }
    if (!failures.empty()) {
      const bool named = failures.front().status == VMMC_ERR_NICSIM_GONE ||
                         is_hosts(failures.front()) ||
                         failures.front().sentence.find(std::strerror(error_)) != std::string::npos;
      if (!named) complain(failures.front());
      EXPECT(named);
    }
  }

  // Without memory for what can be lent, a buffer is nic's.
  static bool is_hosts(const Life::Failure& failure) {
    return failure.status == VMMC_ERR_EXECUTOR_UNAVAILABLE &&
           failure.call.find("for host") != std::string::npos;
  }

  void complain(const Life::Failure& failure) const {
    std::fprintf(stderr, "%s failed with %s, after a failure of %s: %s\n", failure.call.c_str(),
                 vmmc_status_name(failure.status), failed_call_.c_str(), failure.sentence.c_str());
  }

  void describe(unsigned n, std::size_t more) const {
    std::fprintf(stderr, "call %u, %s: %zd more afterwards\n", n, failed_call_.c_str(), more);
  }

  void report(unsigned calls) const {
    EXPECT(calls > 30);
    std::printf("%s: each of %u calls failed in turn; unnoticed:", std::strerror(error_), calls);
    for (const auto& [call, times] : silent_) std::printf(" %s (%u)", call.c_str(), times);
    std::printf("\n");
  }

  const int error_;
  std::vector<unsigned char>& heap_;
  const bool tidy_;
  std::string failed_call_;
  std::map<std::string, unsigned> silent_;
};

}  // namespace

TEST_CASE("whichever system call fails, the call of the program fails, and the next one works") {
  NicsimProcess nicsim;
  const std::size_t before = settled_descriptors(nicsim.pid());
  for (const int error : {ENOMEM, EMFILE, EINTR}) {
    CAPTURE(error);
    run_processes(nicsim, {[error](Part&) {
                    std::vector<unsigned char> heap(kHeapBytes);
                    for (std::size_t i = 0; i < kHeapBytes; ++i) heap[i] = pattern(i);
                    std::memcpy(pages, heap.data(), kPagesBytes);
                    std::memset(pages, 0, 8);
                    Life(heap, true).live();
                    for (const bool tidy : {true, false}) Walk(error, heap, tidy).run();
                  }});
  }
  CHECK(comes_true([&] { return count_descriptors(nicsim.pid()) == before; }));
  CHECK(comes_true([&] { return kibibytes(nicsim.pid(), "RssShmem:") == 0; }));
  CHECK(nicsim.terminate() == 0);
}
