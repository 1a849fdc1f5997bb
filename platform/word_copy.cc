// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Why not memcpy: the C library copies a length that is no multiple of its vectors with two stores
// that overlap, so some bytes are stored twice. A reader that has seen the first store, and reset
// the word, would find it set again by the second.

#include "platform/word_copy.h"

#include <atomic>
#include <cstdint>
#include <cstring>

// Sanitizers see neither inline assembly nor that a volatile vector store is one store: they get
// words only.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define VMMC_WORDS_ONLY 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define VMMC_WORDS_ONLY 1
#endif
#endif

namespace vmmc::platform {
namespace {

// Stores one aligned word whole. The source may lie anywhere: memcpy of a constant length is one
// unaligned load.
template <typename Word>
void store_word(std::byte* destination, const std::byte* source) {
  Word word;
  std::memcpy(&word, source, sizeof word);
  std::atomic_ref<Word>(*reinterpret_cast<Word*>(destination))
      .store(word, std::memory_order_relaxed);
}

// Loads one aligned word whole; the destination may lie anywhere.
template <typename Word>
void load_word(std::byte* destination, const std::byte* source) {
  auto* const from = reinterpret_cast<Word*>(const_cast<std::byte*>(source));
  const Word word = std::atomic_ref<Word>(*from).load(std::memory_order_relaxed);
  std::memcpy(destination, &word, sizeof word);
}

bool aligned(const std::byte* address, std::size_t alignment) {
  return (reinterpret_cast<std::uintptr_t>(address) & (alignment - 1)) == 0;
}

// What is left of a copy.
struct Rest {
  std::byte* destination;
  const std::byte* source;
  std::size_t length;

  template <typename Word>
  void copy() {
    store_word<Word>(destination, source);
    skip(sizeof(Word));
  }
  void skip(std::size_t bytes) {
    destination += bytes;
    source += bytes;
    length -= bytes;
  }
};

// Up to the first 8-byte boundary, in words as large as their alignment allows.
void copy_head(Rest& rest) {
  if (rest.length >= 1 && !aligned(rest.destination, 2)) rest.copy<std::uint8_t>();
  if (rest.length >= 2 && !aligned(rest.destination, 4)) rest.copy<std::uint16_t>();
  if (rest.length >= 4 && !aligned(rest.destination, 8)) rest.copy<std::uint32_t>();
}

// After the last 8-byte boundary. Each word begins where a larger one could have, so it is aligned.
void copy_tail(Rest& rest) {
  if (rest.length >= 4) rest.copy<std::uint32_t>();
  if (rest.length >= 2) rest.copy<std::uint16_t>();
  if (rest.length >= 1) rest.copy<std::uint8_t>();
}

#if !defined(VMMC_WORDS_ONLY)

// Two words with one store. Processors that we know store each aligned 8-byte half of it whole,
// also where it crosses a cache line (Armv8 promises it; on x86-64 it holds in practice).
void copy_pairs(Rest& rest) {
  // A typedef: clang takes no smaller alignment from a using declaration.
  typedef std::uint64_t Pair __attribute__((vector_size(16), aligned(8), may_alias));
  for (; rest.length >= sizeof(Pair); rest.skip(sizeof(Pair))) {
    Pair pair;
    std::memcpy(&pair, rest.source, sizeof pair);
    *reinterpret_cast<volatile Pair*>(rest.destination) =
        pair;  // volatile: not merged into a call of memcpy
  }
}

#if defined(__x86_64__)
// The processor's own copy loop: slow to start, then the fastest, above all when another core has
// just read the destination, because it need not fetch lines that it is going to overwrite.
constexpr std::size_t kStringLength = 2048;

void copy_string(Rest& rest) {
  std::size_t words = rest.length / 8;
  asm volatile("rep movsq" : "+D"(rest.destination), "+S"(rest.source), "+c"(words) : : "memory");
  rest.length %= 8;
}
#endif

#endif  // !VMMC_WORDS_ONLY

// All whole words; the destination is aligned to 8 bytes.
void copy_bulk(Rest& rest) {
#if !defined(VMMC_WORDS_ONLY)
#if defined(__x86_64__)
  if (rest.length >= kStringLength) return copy_string(rest);
#endif
  constexpr std::size_t kPairsLength = 64;
  if (rest.length >= kPairsLength) copy_pairs(rest);
#endif
  while (rest.length >= 8) rest.copy<std::uint64_t>();
}

}  // namespace

void copy_words(std::byte* destination, const std::byte* source, std::size_t length) {
  if (length == 4 && aligned(destination, 4)) [[likely]] {
    store_word<std::uint32_t>(destination, source);
  } else if (length == 8 && aligned(destination, 8)) {
    store_word<std::uint64_t>(destination, source);
  } else {
    Rest rest{destination, source, length};
    copy_head(rest);
    if (rest.length >= 8) copy_bulk(rest);  // then the head is complete
    copy_tail(rest);
  }
  std::atomic_thread_fence(std::memory_order_release);
}

void read_words(std::byte* destination, const std::byte* source, std::size_t length) {
  const auto distance =
      reinterpret_cast<std::uintptr_t>(destination) - reinterpret_cast<std::uintptr_t>(source);
  if (distance % sizeof(std::uint64_t) == 0) return copy_words(destination, source, length);
  while (length > 0) {
    std::size_t step = 1;
    if (length >= 8 && aligned(source, 8)) {
      load_word<std::uint64_t>(destination, source);
      step = 8;
    } else if (length >= 4 && aligned(source, 4)) {
      load_word<std::uint32_t>(destination, source);
      step = 4;
    } else {
      load_word<std::uint8_t>(destination, source);
    }
    destination += step;
    source += step;
    length -= step;
  }
  std::atomic_thread_fence(std::memory_order_release);
}

}  // namespace vmmc::platform
