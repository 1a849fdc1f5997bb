// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Reading memory that other threads of the program store to at the same time.
//
// Not memcpy, and not instrumented: the program's stores are not ours to synchronise with. Aligned
// words of 4 and 8 bytes are read whole. Async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vmmc::internal {

template <typename Word>
__attribute__((no_sanitize("thread"), no_sanitize("address"))) inline bool load_shared_word(
    std::byte*& to, const std::byte*& from, std::size_t& length) {
  struct __attribute__((packed, may_alias)) Unaligned {
    Word word;
  };
  if (length < sizeof(Word) || reinterpret_cast<std::uintptr_t>(from) % sizeof(Word) != 0)
    return false;
  reinterpret_cast<Unaligned*>(to)->word =
      __atomic_load_n(reinterpret_cast<const Word*>(from), __ATOMIC_RELAXED);
  to += sizeof(Word);
  from += sizeof(Word);
  length -= sizeof(Word);
  return true;
}

__attribute__((noinline, no_sanitize("thread"), no_sanitize("address"))) inline void
load_shared_bytes(std::byte* to, const std::byte* from, std::size_t length) {
  while (length > 0) {
    if (load_shared_word<std::uint64_t>(to, from, length)) continue;
    if (load_shared_word<std::uint32_t>(to, from, length)) continue;
    if (load_shared_word<std::uint16_t>(to, from, length)) continue;
    load_shared_word<std::uint8_t>(to, from, length);
  }
}

}  // namespace vmmc::internal
