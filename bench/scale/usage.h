// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What processes use: memory and CPU time, as the kernel counts them in /proc. A process that does
// not exist uses nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace vmmc::bench {

// Bytes.
struct Memory {
  std::uint64_t resident = 0;   // Rss: shared pages count in every process
  std::uint64_t anonymous = 0;  // the part of it that is nobody else's
  std::uint64_t share = 0;      // Pss: a page shared by n processes counts 1/n
  std::uint64_t page_tables = 0;
};
Memory memory_of(pid_t process);
Memory memory_of(std::span<const pid_t> processes);

// All memfd pages of the host, whoever has mapped them.
std::uint64_t shared_memory_of_host();

// Nanoseconds that all threads have run.
std::uint64_t cpu_time_of(pid_t process);
std::uint64_t cpu_time_of(std::span<const pid_t> processes);

// Mappings and descriptors that it has.
std::uint64_t mappings_of(pid_t process);
std::uint64_t descriptors_of(pid_t process);

}  // namespace vmmc::bench
