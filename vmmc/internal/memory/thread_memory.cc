// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/thread_memory.h"

#include <dirent.h>
#include <link.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

namespace vmmc::internal {
namespace {

// How far the part of the control block that the kernel itself writes to reaches beyond the thread
// pointer.
std::size_t control_block_reach() {
#if __has_include(<sys/rseq.h>)
  if (__rseq_offset > 0) return static_cast<std::size_t>(__rseq_offset) + sizeof(struct rseq);
#endif
  return 1;
}

// An upper bound of the thread-local variables of all modules loaded with the program.
std::size_t static_storage_bytes() {
  constexpr std::size_t kReserve = 4096;  // the C library keeps some for modules loaded later
  std::size_t bytes = kReserve;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* sum) {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          if (info->dlpi_phdr[i].p_type != PT_TLS) continue;
          *static_cast<std::size_t*>(sum) +=
              info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
        }
        return 0;
      },
      &bytes);
  return bytes;
}

// The address in a thread's control block that the kernel knows; 0 if it knows none.
std::uintptr_t known_address(pid_t thread) {
  void* head = nullptr;
  std::size_t length = 0;
  if (::syscall(SYS_get_robust_list, thread, &head, &length) != 0) return 0;
  return reinterpret_cast<std::uintptr_t>(head);
}

ThreadMemory storage_of_first_thread(std::uintptr_t thread_pointer) {
  std::uintptr_t begin = thread_pointer;
  std::uintptr_t end = thread_pointer + control_block_reach();
#if defined(__x86_64__)
  begin -= static_storage_bytes();
#else
  begin -= wire::kPageSize;
  end += static_storage_bytes();
#endif
  return {{round_down_to_page(begin), round_up_to_page(end)}, MemoryRefusal::kThreadStorage};
}

void add_threads(const MemoryMap& map, std::vector<ThreadMemory>& found) {
  const std::uintptr_t own_pointer = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  const std::uintptr_t own_known = known_address(0);
  DIR* directory = ::opendir("/proc/self/task");
  if (directory == nullptr || own_known == 0) {
    if (directory != nullptr) ::closedir(directory);
    return;
  }
  while (const dirent* entry = ::readdir(directory)) {
    const pid_t thread = std::atoi(entry->d_name);
    const std::uintptr_t known = thread > 0 ? known_address(thread) : 0;
    if (known == 0) continue;
    const std::uintptr_t pointer = known - own_known + own_pointer;
    if (thread == ::getpid()) {
      found.push_back(storage_of_first_thread(pointer));
    } else if (const MemoryRegion* region = map.region_at(pointer)) {
      const std::uintptr_t end = round_up_to_page(pointer + control_block_reach());
      found.push_back({{region->range.begin, end}, MemoryRefusal::kStack});
    }
  }
  ::closedir(directory);
}

// What runs now may be a coroutine on a stack that nobody else knows; the threads' own stacks are found
// by add_threads and, the first thread's, by its name in the map.
void add_own_stacks(std::vector<ThreadMemory>& found) {
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  found.push_back({pages_around(frame, 1), MemoryRefusal::kStack});
  stack_t signals{};
  if (::sigaltstack(nullptr, &signals) == 0 && (signals.ss_flags & SS_DISABLE) == 0) {
    const auto start = reinterpret_cast<std::uintptr_t>(signals.ss_sp);
    found.push_back({pages_around(start, signals.ss_size), MemoryRefusal::kStack});
  }
}

}  // namespace

std::vector<ThreadMemory> find_thread_memory(const MemoryMap& map) {
  std::vector<ThreadMemory> found;
  add_own_stacks(found);
  add_threads(map, found);
  return found;
}

}  // namespace vmmc::internal
