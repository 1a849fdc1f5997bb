// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/support/faults/failing_system_calls.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "platform/system_calls.h"

namespace vmmc::tests {
namespace {

using platform::SystemCalls;

// Function pointers carry no context, so the state is the process's.
std::atomic<bool> in_use = false;
std::atomic<unsigned> calls_made = 0;
unsigned failing_call = 0;  // 0: none
int failing_errno = 0;
std::atomic<const char*> failed = nullptr;

// Counts a call; true if it is the one that fails.
bool strikes(const char* name) {
  if (calls_made.fetch_add(1) + 1 != failing_call) return false;
  failed = name;
  errno = failing_errno;
  return true;
}

template <typename Return>
Return failure() {
  return static_cast<Return>(-1);
}
template <>
void* failure<void*>() {
  return MAP_FAILED;
}

// One entry of the table: counts, then fails or makes the real call.
template <auto kCall>
struct Counted;
template <typename Return, typename... Arguments, Return (*SystemCalls::*kCall)(Arguments...)>
struct Counted<kCall> {
  static inline const char* name = "";
  static Return call(Arguments... arguments) {
    if (strikes(name)) return failure<Return>();
    return (platform::real_system_calls().*kCall)(arguments...);
  }
};

template <auto kCall>
void count(SystemCalls& table, const char* name) {
  Counted<kCall>::name = name;
  table.*kCall = Counted<kCall>::call;
}

const SystemCalls& counted_system_calls() {
  static const SystemCalls table = [] {
    SystemCalls counted{};
    count<&SystemCalls::memfd_create>(counted, "memfd_create");
    count<&SystemCalls::allocate>(counted, "allocate");
    count<&SystemCalls::add_seals>(counted, "add_seals");
    count<&SystemCalls::mmap>(counted, "mmap");
    count<&SystemCalls::munmap>(counted, "munmap");
    count<&SystemCalls::mprotect>(counted, "mprotect");
    count<&SystemCalls::mremap>(counted, "mremap");
    count<&SystemCalls::eventfd>(counted, "eventfd");
    count<&SystemCalls::pipe2>(counted, "pipe2");
    count<&SystemCalls::socket>(counted, "socket");
    count<&SystemCalls::connect>(counted, "connect");
    count<&SystemCalls::sendmsg>(counted, "sendmsg");
    count<&SystemCalls::recvmsg>(counted, "recvmsg");
    count<&SystemCalls::open>(counted, "open");
    count<&SystemCalls::get_flags>(counted, "get_flags");
    count<&SystemCalls::fstat>(counted, "fstat");
    count<&SystemCalls::fstatfs>(counted, "fstatfs");
    count<&SystemCalls::pread>(counted, "pread");
    count<&SystemCalls::preadv2>(counted, "preadv2");
    count<&SystemCalls::fadvise>(counted, "fadvise");
    count<&SystemCalls::getsockname>(counted, "getsockname");
    count<&SystemCalls::getsockopt>(counted, "getsockopt");
    count<&SystemCalls::setsockopt>(counted, "setsockopt");
    return counted;
  }();
  return table;
}

}  // namespace

FailingSystemCalls::FailingSystemCalls() : FailingSystemCalls(0, 0) {}

FailingSystemCalls::FailingSystemCalls(unsigned n, int error) {
  if (in_use.exchange(true)) {
    std::fputs("FailingSystemCalls: there is one already\n", stderr);
    std::abort();
  }
  calls_made = 0;
  failing_call = n;
  failing_errno = error;
  failed = nullptr;
  platform::replace_system_calls(&counted_system_calls());
}

FailingSystemCalls::~FailingSystemCalls() {
  platform::replace_system_calls(nullptr);
  in_use = false;
}

unsigned FailingSystemCalls::calls() const { return calls_made; }

const char* FailingSystemCalls::failed_call() const { return failed; }

}  // namespace vmmc::tests
