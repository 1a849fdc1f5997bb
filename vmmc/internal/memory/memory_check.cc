// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/memory_check.h"

#include <vector>

#include "vmmc/internal/memory/thread_memory.h"

namespace vmmc::internal {

platform::Result<MemoryAnswer> check_memory(std::span<const PageRange> ranges) {
  const auto map = MemoryMap::read();
  if (!map.ok()) return map.error();
  const std::vector<ThreadMemory> threads = find_thread_memory(map.value());
  for (const PageRange& range : ranges) {
    const MemoryAnswer answer = map.value().check(range, threads);
    if (answer.refusal != MemoryRefusal::kNone) return answer;
  }
  return MemoryAnswer{};
}

}  // namespace vmmc::internal
