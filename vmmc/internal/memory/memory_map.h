// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// May these pages become shared pages in place? Answered from the kernel's list of mappings
// (/proc/self/maps), and with a reason when the answer is no.
//
// Threads and processes
//   Any thread. A map is a snapshot.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/result.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

enum class MemoryRefusal {
  kNone,      // private, readable, writable: may be adopted
  kUnmapped,  // at least one page is not mapped
  kNotReadable,
  kNotWritable,
  kExecutable,     // code could be replaced from afar
  kShared,         // a shared mapping, anonymous or of a file: its identity would be lost
  kStack,          // a thread that stores to its stack could not take the fault that makes it wait
  kThreadStorage,  // thread-local variables and the C library's control block: the same
  kHugePages,      // cannot be replaced by pages of 4096 bytes one by one
  kBeyondFile,     // a private file mapping reaches past the end of its file: no content to keep
  kSpecial,        // the kernel's own pages ([vdso], [vvar], [vsyscall])
};

struct MemoryAnswer {
  MemoryRefusal refusal = MemoryRefusal::kNone;
  PageRange where;  // the first pages concerned; empty for kNone
};

// Part of a sentence, e.g. "the memory from 0x7f0000001000 to 0x7f0000003000 is not mapped".
std::string describe(const MemoryAnswer& answer);

// One line of /proc/self/maps.
struct MemoryRegion {
  PageRange range;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  bool of_file = false;  // has an inode
  std::string name;      // path, "[heap]", "[stack]", ... or empty
};

// Memory that threads need while they take a fault.
struct ThreadMemory {
  PageRange range;
  MemoryRefusal kind;  // kStack or kThreadStorage
};

class MemoryMap {
 public:
  // The calling process's map. Fails if /proc is not mounted (call "open").
  static platform::Result<MemoryMap> read();

  // The map that `text` (in the form of /proc/PID/maps) describes; lines that make no sense are
  // left out.
  static MemoryMap parse(std::string_view text);

  // The region that holds `address`, or nullptr.
  const MemoryRegion* region_at(std::uintptr_t address) const;

  // `except` is memory that is refused although it looks like any other.
  MemoryAnswer check(PageRange range, std::span<const ThreadMemory> except = {}) const;

 private:
  std::vector<MemoryRegion> regions_;  // sorted by address, disjoint
};

}  // namespace vmmc::internal
