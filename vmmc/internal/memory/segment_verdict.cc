// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/internal/memory/segment_verdict.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <system_error>

#include "vmmc/internal/memory/memory_check.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {
namespace {

int status_of(const platform::SystemError& error) {
  switch (error.number) {
    case ENOMEM:
    case ENOSPC:
    case EFBIG:
      return VMMC_ERR_OUT_OF_MEMORY;
    default:
      return VMMC_ERR_SYSTEM;
  }
}

}  // namespace

SegmentVerdict system_failure(const std::string& what, const platform::SystemError& error) {
  const std::string why = std::generic_category().message(error.number);
  return {status_of(error), what + ": " + error.call + ": " + why};
}

SegmentVerdict no_memory_for(std::size_t bytes, const platform::SystemError& error) {
  return system_failure("cannot get " + std::to_string(bytes) + " bytes of shared memory", error);
}

SegmentVerdict cannot_make(PageRange range, const char* what, const platform::SystemError& error) {
  char sentence[128];
  std::snprintf(sentence, sizeof sentence,
                "cannot make the memory from 0x%" PRIxPTR " to 0x%" PRIxPTR " %s", range.begin,
                range.end, what);
  return system_failure(sentence, error);
}

SegmentVerdict check_span(std::uintptr_t address, std::size_t length) {
  if (length == 0) return {VMMC_ERR_ZERO_LENGTH, "the length is zero"};
  if (length > UINTPTR_MAX - address)
    return {VMMC_ERR_LENGTH_OVERFLOW, "the length goes past the end of the address space"};
  if (address > kHighestAddress || length > kHighestAddress - address)
    return {VMMC_ERR_BAD_MEMORY, "no program can have memory there"};
  return {};
}

SegmentVerdict check_adoptable(std::span<const PageRange> pages) {
  const auto answer = check_memory(pages);
  if (!answer.ok()) return system_failure("cannot see what the memory is", answer.error());
  if (answer.value().refusal != MemoryRefusal::kNone)
    return {VMMC_ERR_BAD_MEMORY, describe(answer.value())};
  return {};
}

}  // namespace vmmc::internal
