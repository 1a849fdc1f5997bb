// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/copy_facts.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <unistd.h>

#include <cstring>

namespace vmmc::platform {

constinit CopyRules copy_rules;

namespace {

#if defined(__x86_64__)

struct Leaf {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
};

Leaf read_leaf(unsigned number) {
  Leaf leaf;  // stays zero where the processor has no such leaf
  __get_cpuid_count(number, 0, &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx);
  return leaf;
}

bool made_by(const char* vendor) {
  const Leaf leaf = read_leaf(0);
  const unsigned name[] = {leaf.ebx, leaf.edx, leaf.ecx};
  return std::memcmp(name, vendor, sizeof name) == 0;
}

// Both the processor and the kernel must know 32-byte vectors: else their halves get lost when
// threads take turns.
bool has_wide_vectors() {
  constexpr unsigned kKernelTells = 1U << 27;
  constexpr unsigned kVectors = 1U << 28;
  constexpr unsigned kBothHalvesSaved = 6;
  const Leaf leaf = read_leaf(1);
  if ((leaf.ecx & kKernelTells) == 0 || (leaf.ecx & kVectors) == 0) return false;
  unsigned saved = 0;
  unsigned high = 0;
  asm("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  return (saved & kBothHalvesSaved) == kBothHalvesSaved;
}

bool has_fast_string() {
  constexpr unsigned kEnhancedRepMovsb = 1U << 9;
  return (read_leaf(7).ebx & kEnhancedRepMovsb) != 0;
}

std::size_t last_level_cache() {
  const long bytes = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

// Before main, or while a library is being loaded: nobody calls us yet.
[[gnu::constructor]] void choose_rules() { copy_rules = rules_for(read_copy_facts()); }

#endif

}  // namespace

CopyFacts read_copy_facts() {
#if defined(__x86_64__)
  return {.wide_vectors = has_wide_vectors(),
          .fast_string = has_fast_string(),
          .string_aliases = made_by("AuthenticAMD"),
          .shared_cache = last_level_cache()};
#else
  return {};
#endif
}

CopyRules rules_for(const CopyFacts& facts) {
  CopyRules rules;
  if (facts.wide_vectors) rules.wide_from = 256;
  if (facts.fast_string) {
    rules.string_from = 2304;
    if (facts.string_aliases) rules.aliased_stream_from = 16 * 1024;
  } else if (facts.shared_cache != 0) {
    // What does not stay in the cache need not push everything else out of it.
    rules.stream_from = facts.shared_cache / 4 * 3;
  }
  return rules;
}

}  // namespace vmmc::platform
