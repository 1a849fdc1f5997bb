// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tests/random_operations/words.h"

#include <cstring>

namespace vmmc::testing::random_operations {
namespace {

Answer change_32(const Command& c, void* proxy) {
  std::uint32_t before = 0;
  const auto operand = static_cast<std::uint32_t>(c.operand);
  int status = 0;
  switch (static_cast<AtomicVerb>(c.kind)) {
    case AtomicVerb::kAdd:
      status = vmmc_fetch_add_32(proxy, operand, &before);
      break;
    case AtomicVerb::kSwap:
      status = vmmc_swap_32(proxy, operand, &before);
      break;
    case AtomicVerb::kCompareSwap:
      status =
          vmmc_compare_swap_32(proxy, static_cast<std::uint32_t>(c.expected), operand, &before);
  }
  return {status, 0, before, 0};
}

Answer change_64(const Command& c, void* proxy) {
  std::uint64_t before = 0;
  int status = 0;
  switch (static_cast<AtomicVerb>(c.kind)) {
    case AtomicVerb::kAdd:
      status = vmmc_fetch_add_64(proxy, c.operand, &before);
      break;
    case AtomicVerb::kSwap:
      status = vmmc_swap_64(proxy, c.operand, &before);
      break;
    case AtomicVerb::kCompareSwap:
      status = vmmc_compare_swap_64(proxy, c.expected, c.operand, &before);
  }
  return {status, 0, before, 0};
}

Bytes bytes_of(const Command& c) {
  Bytes bytes(c.length);
  for (std::uint64_t i = 0; i < c.length; ++i) bytes[i] = pattern(c.operand, i);
  return bytes;
}

std::uint64_t word_of(const Command& c, const Bytes& bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), c.width);
  return word;
}

template <typename Word>
struct [[gnu::packed]] Unaligned {
  volatile Word word;
};

template <typename Word>
void put(unsigned char* to, std::uint64_t word) {
  reinterpret_cast<Unaligned<Word>*>(to)->word = static_cast<Word>(word);
}

}  // namespace

Answer change_word(const Command& c, void* proxy) {
  return c.width == 4 ? change_32(c, proxy) : change_64(c, proxy);
}

// memcpy may store some bytes twice, and then more bytes arrive than the model counts.
void store_each_once(unsigned char* to, const unsigned char* from, std::size_t length) {
#if defined(__x86_64__)
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
#else
  for (std::size_t i = 0; i < length; ++i) *const_cast<volatile unsigned char*>(to + i) = from[i];
#endif
}

Answer store_plainly(const Command& c, unsigned char* to) {
  const Bytes bytes = bytes_of(c);
  const std::uint64_t word = word_of(c, bytes);
  switch (c.width) {
    case 1:
      put<std::uint8_t>(to, word);
      break;
    case 2:
      put<std::uint16_t>(to, word);
      break;
    case 4:
      put<std::uint32_t>(to, word);
      break;
    case 8:
      put<std::uint64_t>(to, word);
      break;
    default:
      store_each_once(to, bytes.data(), bytes.size());
  }
  return {};
}

Answer store_typed(const Command& c, vmmc_binding* binding, unsigned char* to) {
  const Bytes bytes = bytes_of(c);
  const std::uint64_t word = word_of(c, bytes);
  switch (c.width) {
    case 1:
      return {vmmc_au_store8(binding, to, static_cast<std::uint8_t>(word))};
    case 2:
      return {vmmc_au_store16(binding, reinterpret_cast<std::uint16_t*>(to),
                              static_cast<std::uint16_t>(word))};
    case 4:
      return {vmmc_au_store32(binding, reinterpret_cast<std::uint32_t*>(to),
                              static_cast<std::uint32_t>(word))};
    case 8:
      return {vmmc_au_store64(binding, reinterpret_cast<std::uint64_t*>(to), word)};
    default:
      return {vmmc_au_copy(binding, to, bytes.data(), bytes.size())};
  }
}

}  // namespace vmmc::testing::random_operations
