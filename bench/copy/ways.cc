// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "bench/copy/ways.h"

#include <cstdint>
#include <cstring>

#include "platform/copy_facts.h"
#include "platform/word_copy.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vmmc::bench {
namespace {

typedef std::uint64_t Pair __attribute__((vector_size(16), aligned(8), may_alias));

void by_memcpy(std::byte* destination, const std::byte* source, std::size_t length) {
  std::memcpy(destination, source, length);
  asm volatile("" : : : "memory");
}

void by_pairs(std::byte* destination, const std::byte* source, std::size_t length) {
  const Pair* const from = reinterpret_cast<const Pair*>(source);
  volatile Pair* const to = reinterpret_cast<volatile Pair*>(destination);
  for (std::size_t i = 0; i < length / sizeof(Pair); i += 2) {
    const Pair first = from[i];
    const Pair second = from[i + 1];
    to[i] = first;
    to[i + 1] = second;
  }
}

#if defined(__x86_64__)

[[gnu::target("avx")]] void by_quads(std::byte* destination, const std::byte* source,
                                     std::size_t length) {
  const auto* const from = reinterpret_cast<const __m256i*>(source);
  auto* const to = reinterpret_cast<__m256i*>(destination);
  for (std::size_t i = 0; i < length / sizeof(__m256i); i += 4) {
    const __m256i first = _mm256_loadu_si256(from + i);
    const __m256i second = _mm256_loadu_si256(from + i + 1);
    const __m256i third = _mm256_loadu_si256(from + i + 2);
    const __m256i fourth = _mm256_loadu_si256(from + i + 3);
    _mm256_storeu_si256(to + i, first);
    _mm256_storeu_si256(to + i + 1, second);
    _mm256_storeu_si256(to + i + 2, third);
    _mm256_storeu_si256(to + i + 3, fourth);
    asm volatile("" : : : "memory");
  }
}

void by_quads_prefetched(std::byte* destination, const std::byte* source, std::size_t length) {
  constexpr std::size_t kAhead = 512;
  constexpr std::size_t kPortion = 256;
  for (std::size_t at = 0; at < length; at += kPortion) {
    for (std::size_t line = at; line < at + kPortion; line += 64) {
      _mm_prefetch(source + line + kAhead, _MM_HINT_T0);
      __builtin_prefetch(destination + line + kAhead, 1);
    }
    by_quads(destination + at, source + at, kPortion);
  }
}

void by_string_words(std::byte* destination, const std::byte* source, std::size_t length) {
  std::size_t words = length / 8;
  asm volatile("rep movsq" : "+D"(destination), "+S"(source), "+c"(words) : : "memory");
}

void by_string_bytes(std::byte* destination, const std::byte* source, std::size_t length) {
  asm volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(length) : : "memory");
}

void by_stream(std::byte* destination, const std::byte* source, std::size_t length) {
  for (std::size_t at = 0; at < length; at += 64) {
    const auto* const from = reinterpret_cast<const long long*>(source + at);
    auto* const to = reinterpret_cast<long long*>(destination + at);
    for (std::size_t word = 0; word < 8; ++word) _mm_stream_si64(to + word, from[word]);
  }
  _mm_sfence();
}

void by_stream_lines(std::byte* destination, const std::byte* source, std::size_t length) {
  // Movntdq wants 16-byte alignment, so the words before and behind go on their own.
  const std::size_t head = -reinterpret_cast<std::uintptr_t>(destination) & 15;
  if (head != 0) std::memcpy(destination, source, head);
  const auto* const from = reinterpret_cast<const __m128i*>(source + head);
  auto* const to = reinterpret_cast<__m128i*>(destination + head);
  const std::size_t pairs = (length - head) / 16;
  for (std::size_t i = 0; i < pairs; ++i) _mm_stream_si128(to + i, _mm_loadu_si128(from + i));
  const std::size_t done = head + pairs * 16;
  if (done != length) std::memcpy(destination + done, source + done, length - done);
  _mm_sfence();
}

#endif

}  // namespace

std::vector<Way> ways() {
  std::vector<Way> all{
      {"memcpy", by_memcpy}, {"copy_words", platform::copy_words}, {"vectors-16", by_pairs}};
#if defined(__x86_64__)
  if (platform::read_copy_facts().wide_vectors) {
    all.push_back({"vectors-32", by_quads});
    all.push_back({"prefetched-32", by_quads_prefetched});
  }
  all.push_back({"rep-movsq", by_string_words});
  all.push_back({"rep-movsb", by_string_bytes});
  all.push_back({"stream-8", by_stream});
  all.push_back({"stream-16", by_stream_lines});
#endif
  return all;
}

void flush([[maybe_unused]] const std::byte* begin, [[maybe_unused]] std::size_t length) {
#if defined(__x86_64__)
  for (std::size_t at = 0; at < length; at += 64) _mm_clflush(begin + at);
  _mm_mfence();
#endif
}

}  // namespace vmmc::bench
