// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Source bytes before they are sent: side by side, or not (the pieces of a gather, the blocks of a
// strided send).
// Each is read once, from the first byte to the last, in portions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "nicsim/wire/version.h"
#include "vmmc/internal/error.h"
#include "vmmc/vmmc.h"

namespace vmmc::internal {

// The sum of the pieces' lengths. INVALID_ARGUMENT, LENGTH_OVERFLOW.
inline int check_pieces(const vmmc_piece* pieces, std::size_t count, std::size_t* length) {
  *length = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (pieces[i].address == nullptr && pieces[i].length > 0) {
      return fail(VMMC_ERR_INVALID_ARGUMENT, "the address of piece %zu is a null pointer", i);
    }
    if (__builtin_add_overflow(*length, pieces[i].length, length)) {
      return fail(VMMC_ERR_LENGTH_OVERFLOW, "the sum of the pieces' lengths overflows at piece %zu",
                  i);
    }
  }
  return VMMC_OK;
}

// From the first to the last byte of the destination. INVALID_ARGUMENT, ZERO_LENGTH,
// LENGTH_OVERFLOW.
inline int check_strides(const void* source, std::size_t source_stride, std::size_t proxy_stride,
                         std::size_t block, std::size_t count, std::size_t* extent) {
  if (block == 0 || count == 0) {
    return fail(VMMC_ERR_ZERO_LENGTH, "%zu blocks of %zu bytes", count, block);
  }
  if (source_stride < block || proxy_stride < block) {
    return fail(VMMC_ERR_INVALID_ARGUMENT,
                "strides of %zu and %zu bytes, less than the block of %zu", source_stride,
                proxy_stride, block);
  }
  std::size_t span = 0;
  const bool overflow = __builtin_mul_overflow(count - 1, source_stride, &span) ||
                        __builtin_add_overflow(span, block, &span) ||
                        reinterpret_cast<std::uintptr_t>(source) > UINTPTR_MAX - span ||
                        __builtin_mul_overflow(count - 1, proxy_stride, extent) ||
                        __builtin_add_overflow(*extent, block, extent);
  if (!overflow) return VMMC_OK;
  return fail(VMMC_ERR_LENGTH_OVERFLOW, "%zu blocks, %zu and %zu bytes apart, overflow", count,
              source_stride, proxy_stride);
}

// Reads a byte of each page: who jumps out of the fault that this raises holds nothing.
inline void touch(const std::byte* source, std::size_t length) {
  const auto look = [](const std::byte* byte) {
    (void)*reinterpret_cast<const volatile std::byte*>(byte);
  };
  for (std::size_t i = 0; i < length; i += wire::kPageSize) look(source + i);
  look(source + length - 1);
}

// Reads the next `length` bytes of a source; what was given is a copy, the source stays where it is.
template <typename Source>
void read_ahead(Source source, std::size_t length) {
  constexpr std::size_t kPortion = 512;
  std::byte ignored[kPortion];
  for (std::size_t done = 0; done < length; done += kPortion) {
    source(ignored, std::min(kPortion, length - done));
  }
}

class GatheredSource {
 public:
  explicit GatheredSource(const vmmc_piece* pieces) : piece_(pieces) {}

  // Reads the next `length` bytes: whoever jumps out of the fault
  // that this raises holds nothing.
  void prepare(std::size_t length) const { read_ahead(*this, length); }

  void operator()(std::byte* to, std::size_t length) {
    while (length > 0) {
      const std::size_t portion = std::min(length, piece_->length - used_);
      if (portion > 0) {
        std::memcpy(to, static_cast<const std::byte*>(piece_->address) + used_, portion);
      }
      to += portion;
      length -= portion;
      used_ += portion;
      if (used_ < piece_->length) continue;
      ++piece_;
      used_ = 0;
    }
  }

 private:
  const vmmc_piece* piece_;
  std::size_t used_ = 0;  // of *piece_
};

class StridedSource {
 public:
  StridedSource(const void* source, std::size_t stride, std::size_t block)
      : block_start_(static_cast<const std::byte*>(source)), stride_(stride), block_(block) {}

  // As GatheredSource::prepare.
  void prepare(std::size_t length) const { read_ahead(*this, length); }

  void operator()(std::byte* to, std::size_t length) {
    while (length > 0) {
      const std::size_t portion = std::min(length, block_ - used_);
      std::memcpy(to, block_start_ + used_, portion);
      to += portion;
      length -= portion;
      used_ += portion;
      if (used_ < block_) continue;
      block_start_ += stride_;
      used_ = 0;
    }
  }

 private:
  const std::byte* block_start_;
  std::size_t stride_;
  std::size_t block_;
  std::size_t used_ = 0;  // of the block
};

}  // namespace vmmc::internal
