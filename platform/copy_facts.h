// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which way of copying suits this processor at which length. Part of word_copy: nobody else needs
// it. docs/decisions/0008-which-copy.md has the measurements behind every number.
//
// Threads and processes: the rules of a process are safe from its first instruction on (constant
// initialisation) and become good once, before main. Reading them takes no lock and calls nothing,
// so a signal handler may. Each field stands for itself: whoever sees some old and some new ones
// copies correctly.
// Units: bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::platform {

// What the processor says of itself.
struct CopyFacts {
  bool wide_vectors = false;     // 32-byte vectors, which the kernel saves too
  bool fast_string = false;      // its own copy loop (rep movs) is meant for copies of any length
  bool string_aliases = false;   // that loop is slow where destinations_alias() holds
  std::size_t shared_cache = 0;  // the last level; 0: unknown
};

// Asks. Microseconds on a virtual machine, where the hypervisor answers.
CopyFacts read_copy_facts();

inline constexpr std::size_t kNeverThisWay = SIZE_MAX;

// The length from which on each way is taken. Where none holds: 16-byte vectors.
// Shorter copies than 256 bytes ask for no rule.
struct CopyRules {
  std::size_t wide_from = kNeverThisWay;            // 32-byte vectors
  std::size_t string_from = kNeverThisWay;          // the processor's own copy loop
  std::size_t stream_from = kNeverThisWay;          // stores that go past the caches
  std::size_t aliased_stream_from = kNeverThisWay;  // the same, where destinations_alias() holds
};

CopyRules rules_for(const CopyFacts& facts);

// The destination lies 1 to 63 bytes after the source, page offsets compared.
inline bool destinations_alias(std::uintptr_t destination, std::uintptr_t source) {
  constexpr std::uintptr_t kPage = 4096;
  constexpr std::uintptr_t kLine = 64;
  return (destination - source - 1) % kPage < kLine - 1;
}

// For at least 64 bytes.
enum class LongCopy { kVectors, kString, kStream };
inline LongCopy choose_long_copy(const CopyRules& rules, std::uintptr_t destination,
                                 std::uintptr_t source, std::size_t length) {
  if (length >= rules.stream_from) return LongCopy::kStream;
  if (length >= rules.aliased_stream_from && destinations_alias(destination, source)) {
    return LongCopy::kStream;
  }
  return length >= rules.string_from ? LongCopy::kString : LongCopy::kVectors;
}

// The rules in force. Written once, before main; otherwise only by tests, while nobody copies.
extern CopyRules copy_rules;

}  // namespace vmmc::platform
