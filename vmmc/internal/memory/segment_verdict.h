// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What became of a request for shared memory, and the checks that come before one.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "platform/result.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

// VMMC_OK, or another status with a part of a sentence (no capital, no full stop) that says why.
struct SegmentVerdict {
  int status = 0;
  std::string detail;
  bool ok() const { return status == 0; }
};

// Errors: OUT_OF_MEMORY, SYSTEM. `what` begins the sentence.
SegmentVerdict system_failure(const std::string& what, const platform::SystemError& error);
SegmentVerdict no_memory_for(std::size_t bytes, const platform::SystemError& error);
SegmentVerdict cannot_make(PageRange range, const char* what, const platform::SystemError& error);

// Addresses above belong to the kernel; below, whole pages (and one more) can be counted without an
// overflow.
inline constexpr std::uintptr_t kHighestAddress = PTRDIFF_MAX - 2 * wire::kPageSize;

// Errors: ZERO_LENGTH, LENGTH_OVERFLOW, BAD_MEMORY (no program can have memory there).
SegmentVerdict check_span(std::uintptr_t address, std::size_t length);

// Whether private pages may become shared in place. Errors: BAD_MEMORY, OUT_OF_MEMORY, SYSTEM.
SegmentVerdict check_adoptable(std::span<const PageRange> pages);

}  // namespace vmmc::internal
