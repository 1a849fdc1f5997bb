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

#include "platform/copy_facts.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
    advance(bytes);
    length -= bytes;
  }
  void advance(std::size_t bytes) {
    destination += bytes;
    source += bytes;
  }
};

// Up to the first 8-byte boundary, in words as large as their alignment allows.
[[gnu::always_inline]] inline void copy_head(Rest& rest) {
  if (rest.length >= 1 && !aligned(rest.destination, 2)) rest.copy<std::uint8_t>();
  if (rest.length >= 2 && !aligned(rest.destination, 4)) rest.copy<std::uint16_t>();
  if (rest.length >= 4 && !aligned(rest.destination, 8)) rest.copy<std::uint32_t>();
}

// What is shorter than a word. Each part begins where a larger one could have, so it is aligned.
// Which parts there are is what the bits of the length say: it is not counted down.
[[gnu::always_inline]] inline void copy_tail(Rest& rest) {
  if ((rest.length & 4) != 0) {
    store_word<std::uint32_t>(rest.destination, rest.source);
    rest.advance(4);
  }
  if ((rest.length & 2) != 0) {
    store_word<std::uint16_t>(rest.destination, rest.source);
    rest.advance(2);
  }
  if ((rest.length & 1) != 0) store_word<std::uint8_t>(rest.destination, rest.source);
}

#if defined(VMMC_WORDS_ONLY)

// All whole words; the destination is aligned to 8 bytes.
void copy_few_words(Rest& rest) {
  while (rest.length >= 8) rest.copy<std::uint64_t>();
}
void copy_many_words(Rest& rest) { copy_few_words(rest); }

#else

// Several words with one store. Processors that we know store each aligned 8-byte part of it whole,
// also where it crosses a cache line (Armv8 promises it of pairs; on x86-64 it holds in practice).
// Typedefs, and neither templates nor auto: only so does the alignment stay a part of the type.
typedef std::uint64_t Pair __attribute__((vector_size(16), aligned(8), may_alias));
typedef std::uint64_t LoadedPair __attribute__((vector_size(16), aligned(1), may_alias));

// volatile: not merged into a call of memcpy.
[[gnu::always_inline]] inline void copy_pair(std::byte* destination, const std::byte* source) {
  *reinterpret_cast<volatile Pair*>(destination) = *reinterpret_cast<const LoadedPair*>(source);
}

// All are loaded before the first is stored.
[[gnu::always_inline]] inline void copy_four_pairs(std::byte* destination,
                                                   const std::byte* source) {
  const LoadedPair* const from = reinterpret_cast<const LoadedPair*>(source);
  volatile Pair* const to = reinterpret_cast<volatile Pair*>(destination);
  const Pair first = from[0];
  const Pair second = from[1];
  const Pair third = from[2];
  const Pair fourth = from[3];
  to[0] = first;
  to[1] = second;
  to[2] = third;
  to[3] = fourth;
}

#if defined(__x86_64__)

typedef std::uint64_t Quad __attribute__((vector_size(32), may_alias));
typedef std::uint64_t LoadedQuad __attribute__((vector_size(32), aligned(1), may_alias));
constexpr std::size_t kLine = 64;

// The following three copy most of the rest. The destination is aligned to 8 bytes.

// Vectors of 32 bytes, aligned, because a store that crosses a line costs two.
// Returns how many bytes it has copied: a number stays in a register where a Rest would not.
[[gnu::noinline, gnu::target("avx")]] std::size_t copy_quads(std::byte* destination,
                                                             const std::byte* source,
                                                             std::size_t length) {
  Rest rest{destination, source, length};
  if (!aligned(rest.destination, 16)) rest.copy<std::uint64_t>();
  if (!aligned(rest.destination, 32)) {
    copy_pair(rest.destination, rest.source);
    rest.skip(sizeof(Pair));
  }
  for (; rest.length >= 4 * sizeof(Quad); rest.skip(4 * sizeof(Quad))) {
    const LoadedQuad* const from = reinterpret_cast<const LoadedQuad*>(rest.source);
    volatile Quad* const to = reinterpret_cast<volatile Quad*>(rest.destination);
    const Quad first = from[0];
    const Quad second = from[1];
    const Quad third = from[2];
    const Quad fourth = from[3];
    to[0] = first;
    to[1] = second;
    to[2] = third;
    to[3] = fourth;
  }
  return length - rest.length;
}

// The processor's own copy loop: slow to start, then the fastest, above all when another core has
// just read the destination, because it need not fetch lines that it is going to overwrite.
[[gnu::always_inline]] inline Rest copy_string(Rest rest) {
  std::size_t words = rest.length / 8;
  asm volatile("rep movsq" : "+D"(rest.destination), "+S"(rest.source), "+c"(words) : : "memory");
  rest.length %= 8;
  return rest;
}

// Stores that go past the caches, a line at a time. They obey no order of stores: the first fence
// keeps them behind what was stored before us, the second before what is stored after us.
Rest copy_stream(Rest rest) {
  while (!aligned(rest.destination, kLine)) rest.copy<std::uint64_t>();
  _mm_sfence();
  for (; rest.length >= kLine; rest.skip(kLine)) {
    const auto* const from = reinterpret_cast<const __m128i*>(rest.source);
    auto* const to = reinterpret_cast<__m128i*>(rest.destination);
    const __m128i first = _mm_loadu_si128(from);
    const __m128i second = _mm_loadu_si128(from + 1);
    const __m128i third = _mm_loadu_si128(from + 2);
    const __m128i fourth = _mm_loadu_si128(from + 3);
    _mm_stream_si128(to, first);
    _mm_stream_si128(to + 1, second);
    _mm_stream_si128(to + 2, third);
    _mm_stream_si128(to + 3, fourth);
  }
  _mm_sfence();
  return rest;
}

[[gnu::always_inline]] inline Rest copy_most(Rest rest) {
  switch (choose_long_copy(copy_rules, reinterpret_cast<std::uintptr_t>(rest.destination),
                           reinterpret_cast<std::uintptr_t>(rest.source), rest.length)) {
    case LongCopy::kString:
      return copy_string(rest);
    case LongCopy::kStream:
      return copy_stream(rest);
    case LongCopy::kVectors:
      break;
  }
  if (rest.length >= copy_rules.wide_from) {
    rest.skip(copy_quads(rest.destination, rest.source, rest.length));
  }
  return rest;
}

#else

Rest copy_most(Rest rest) { return rest; }

#endif  // __x86_64__

[[gnu::always_inline]] inline void copy_64(Rest& rest) {
  copy_four_pairs(rest.destination, rest.source);
  rest.advance(64);
}

// All whole words of less than kLong bytes; the destination is aligned to 8 bytes. No loop: the bits
// of the length say it all.
[[gnu::always_inline]] inline void copy_few_words(Rest& rest) {
  if ((rest.length & 128) != 0) {
    copy_64(rest);
    copy_64(rest);
  }
  if ((rest.length & 64) != 0) copy_64(rest);
  if ((rest.length & 32) != 0) {
    copy_pair(rest.destination, rest.source);
    copy_pair(rest.destination + 16, rest.source + 16);
    rest.advance(32);
  }
  if ((rest.length & 16) != 0) {
    copy_pair(rest.destination, rest.source);
    rest.advance(16);
  }
  if ((rest.length & 8) != 0) {
    store_word<std::uint64_t>(rest.destination, rest.source);
    rest.advance(8);
  }
}

// All whole words of any length; the destination is aligned to 8 bytes.
[[gnu::always_inline]] inline void copy_many_words(Rest& rest) {
  rest = copy_most(rest);
  for (; rest.length >= 64; rest.length -= 64) copy_64(rest);
  copy_few_words(rest);
}

#endif  // VMMC_WORDS_ONLY

// Apart from the rest, so that a short copy pays for no register that only a long one needs.
constexpr std::size_t kLong = 256;
[[gnu::noinline]] void copy_long(std::byte* destination, const std::byte* source,
                                 std::size_t length) {
  Rest rest{destination, source, length};
  copy_head(rest);
  copy_many_words(rest);
  copy_tail(rest);
  std::atomic_thread_fence(std::memory_order_release);
}

[[gnu::always_inline]] inline void copy_short(std::byte* destination, const std::byte* source,
                                              std::size_t length) {
  Rest rest{destination, source, length};
  if (!aligned(destination, 8)) copy_head(rest);
  if (rest.length >= 8) copy_few_words(rest);  // then the head is complete
  copy_tail(rest);
  std::atomic_thread_fence(std::memory_order_release);
}

}  // namespace

void copy_words(std::byte* destination, const std::byte* source, std::size_t length) {
  if (length == 4 && aligned(destination, 4)) [[likely]] {
    store_word<std::uint32_t>(destination, source);
  } else if (length == 8 && aligned(destination, 8)) {
    store_word<std::uint64_t>(destination, source);
  } else {
    return length < kLong ? copy_short(destination, source, length)
                          : copy_long(destination, source, length);
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
