// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "platform/word_copy.h"

#include <atomic>
#include <cstdint>
#include <cstring>

namespace vmmc::platform {
namespace {

// One store of one word: a relaxed atomic store is a plain move that the compiler may not split.
template <typename Word>
void copy_word(std::byte*& destination, const std::byte*& source, std::size_t& length) {
  Word word;
  std::memcpy(&word, source, sizeof word);
  std::atomic_ref<Word>(*reinterpret_cast<Word*>(destination)).store(word, std::memory_order_relaxed);
  destination += sizeof word;
  source += sizeof word;
  length -= sizeof word;
}

bool aligned(const std::byte* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

// What remains below a multiple of 8, in words as large as the alignment of the destination allows.
void copy_tail(std::byte* destination, const std::byte* source, std::size_t length) {
  if (length >= 4) copy_word<std::uint32_t>(destination, source, length);
  if (length >= 2) copy_word<std::uint16_t>(destination, source, length);
  if (length >= 1) copy_word<std::uint8_t>(destination, source, length);
}

}  // namespace

void copy_words(std::byte* destination, const std::byte* source, std::size_t length) {
  constexpr std::size_t kBulk = 64;
  if (length >= 1 && !aligned(destination, 2)) copy_word<std::uint8_t>(destination, source, length);
  if (length >= 2 && !aligned(destination, 4)) copy_word<std::uint16_t>(destination, source, length);
  if (length >= 4 && !aligned(destination, 8)) copy_word<std::uint32_t>(destination, source, length);
  if (length > kBulk) {
    // The C library's copy moves aligned 8-byte words whole when it is given whole ones.
    const std::size_t bulk = length & ~std::size_t{7};
    std::memcpy(destination, source, bulk);
    destination += bulk;
    source += bulk;
    length -= bulk;
  }
  while (length >= 8) copy_word<std::uint64_t>(destination, source, length);
  copy_tail(destination, source, length);
  std::atomic_thread_fence(std::memory_order_release);
}

}  // namespace vmmc::platform
