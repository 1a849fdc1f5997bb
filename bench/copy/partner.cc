// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/copy/partner.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/support/machine.h"
#include "bench/support/placement.h"

namespace vmmc::bench {
namespace {

std::byte* map_shared(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  std::memset(memory, 1, bytes);  // every page is there before anything is measured
  return static_cast<std::byte*>(memory);
}

void read_lines(const std::byte* begin, std::size_t length) {
  for (std::size_t at = 0; at < length; at += 64) {
    (void)*reinterpret_cast<const volatile std::uint64_t*>(begin + at);
  }
}

// Returns now and then, so that a partner on the same core gets its turn.
bool look_a_while(const std::atomic<int>& turn, int wanted) {
  for (int looks = 0; looks < 100'000; ++looks) {
    if (turn.load(std::memory_order_acquire) == wanted) return true;
  }
  ::sched_yield();
  return false;
}

}  // namespace

void write_words(std::byte* begin, std::size_t length, std::uint64_t number) {
  for (std::size_t at = 0; at < length; at += 8) {
    *reinterpret_cast<volatile std::uint64_t*>(begin + at) = number * 0x9e3779b97f4a7c15 + at;
  }
}

Partner::Partner(std::size_t bytes, int core)
    : request_(reinterpret_cast<Request*>(map_shared(sizeof(Request)))),
      source_(map_shared(bytes)),
      destination_(map_shared(bytes)),
      bytes_(bytes) {
  request_->turn = 0;
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ < 0) {
    std::perror("fork");
    std::exit(1);
  }
  if (process_ == 0) serve(parent, core);
}

Partner::~Partner() {
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  ::munmap(request_, sizeof(Request));
  ::munmap(source_, bytes_);
  ::munmap(destination_, bytes_);
}

void Partner::serve(pid_t parent, int core) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) std::_Exit(1);  // it was gone before we asked
  bind_to_core(core);
  read_lines(source_, bytes_);
  read_lines(destination_, bytes_);
  for (std::uint64_t number = 1;; ++number) {
    while (!look_a_while(request_->turn, 1)) {
    }
    const std::uint64_t start = now();
    if (request_->task == Task::kRead) read_lines(request_->begin, request_->length);
    if (request_->task == Task::kWrite) write_words(request_->begin, request_->length, number);
    request_->duration = now() - start;
    request_->turn.store(0, std::memory_order_release);
  }
}

std::uint64_t Partner::perform(Task task, std::byte* begin, std::size_t length) {
  request_->task = task;
  request_->begin = begin;
  request_->length = length;
  request_->turn.store(1, std::memory_order_release);
  while (!look_a_while(request_->turn, 0)) {
    if (::waitpid(process_, nullptr, WNOHANG) == 0) continue;
    std::fprintf(stderr, "the partner process has ended\n");
    std::exit(1);
  }
  return request_->duration;
}

}  // namespace vmmc::bench
