// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of this folder: what a reduction must give, computed by one process in the order
// that vmmc/collectives.h promises.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "vmmc/collectives/testing/ranks.h"

namespace vmmc::testing {

template <typename T>
T contribution_of(std::uint64_t seed, std::uint32_t rank, std::uint64_t index) {
  const std::uint64_t bits = scramble(seed, rank, index);
  if constexpr (std::is_floating_point_v<T>) {
    // Of many magnitudes, so that another order gives another sum; now and then a zero or infinity.
    if (bits % 64 == 0) return bits & 64 ? T{-0.0f} : T{0};
    if (bits % 61 == 0) return std::numeric_limits<T>::infinity();
    const T fraction = static_cast<T>(static_cast<std::int64_t>(bits)) * T{0x1p-63f};
    return fraction * static_cast<T>(1u << (bits % 24)) + T{0.1f};
  } else {
    return static_cast<T>(bits);
  }
}

template <typename T>
T combined(T a, T b, vmmc_operation operation) {
  if (operation == VMMC_MIN) return b < a ? b : a;
  if (operation == VMMC_MAX) return a < b ? b : a;
  if constexpr (std::is_floating_point_v<T>) {
    return operation == VMMC_SUM ? a + b : a * b;
  } else {
    const auto x = static_cast<std::make_unsigned_t<T>>(a);
    const auto y = static_cast<std::make_unsigned_t<T>>(b);
    switch (operation) {
      case VMMC_SUM:
        return static_cast<T>(x + y);
      case VMMC_PRODUCT:
        return static_cast<T>(x * y);
      case VMMC_AND:
        return static_cast<T>(x & y);
      case VMMC_OR:
        return static_cast<T>(x | y);
      default:
        return static_cast<T>(x ^ y);
    }
  }
}

template <typename T>
T serial_reduction(std::uint64_t seed, std::uint64_t index, std::uint32_t size, std::uint32_t root,
                   vmmc_operation operation) {
  const std::uint32_t inner = std::bit_floor(size);
  std::vector<T> x(size);
  for (std::uint32_t v = 0; v < size; ++v) {
    x[v] = contribution_of<T>(seed, (v + root) % size, index);
  }
  for (std::uint32_t v = 0; v + inner < size; ++v) x[v] = combined(x[v], x[v + inner], operation);
  for (std::uint32_t step = 1; step < inner; step *= 2) {
    for (std::uint32_t v = 0; v < inner; v += 2 * step) {
      x[v] = combined(x[v], x[v + step], operation);
    }
  }
  return x[0];
}

// Equal in every bit; of NaNs it is only asked that they are NaNs.
template <typename T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a && b != b) return true;
  }
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// Takes part in a reduction (root < size) or, with root == size, an allreduce, and checks it.
template <typename T>
void check_reduction(vmmc_group* group, std::uint64_t seed, std::size_t count, vmmc_type type,
                     vmmc_operation operation, std::uint32_t root, bool in_place) {
  std::vector<T> contribution(count);
  for (std::size_t i = 0; i < count; ++i)
    contribution[i] = contribution_of<T>(seed, vmmc_rank(), i);
  std::vector<T> apart(in_place ? 0 : count);
  T* const result = in_place ? contribution.data() : apart.data();
  const bool all = root == vmmc_size();
  const bool ours = all || vmmc_rank() == root;
  if (all) {
    EXPECT(vmmc_allreduce(group, contribution.data(), result, count, type, operation) == VMMC_OK);
  } else {
    EXPECT(vmmc_reduce(group, contribution.data(), ours ? result : nullptr, count, type, operation,
                       root) == VMMC_OK);
  }
  // Of a long result, every element costs too much; the ends of chunks are among those looked at.
  const std::size_t stride = count < 5000 ? 1 : 61;
  for (std::size_t i = 0; ours && i < count; i += stride) {
    EXPECT(same(result[i], serial_reduction<T>(seed, i, vmmc_size(), all ? 0 : root, operation)));
  }
}

inline void check_typed_reduction(vmmc_group* group, std::uint64_t seed, std::size_t count,
                                  vmmc_type type, vmmc_operation operation, std::uint32_t root,
                                  bool in_place) {
  switch (type) {
    case VMMC_INT32:
      return check_reduction<std::int32_t>(group, seed, count, type, operation, root, in_place);
    case VMMC_UINT32:
      return check_reduction<std::uint32_t>(group, seed, count, type, operation, root, in_place);
    case VMMC_INT64:
      return check_reduction<std::int64_t>(group, seed, count, type, operation, root, in_place);
    case VMMC_UINT64:
      return check_reduction<std::uint64_t>(group, seed, count, type, operation, root, in_place);
    case VMMC_FLOAT:
      return check_reduction<float>(group, seed, count, type, operation, root, in_place);
    case VMMC_DOUBLE:
      return check_reduction<double>(group, seed, count, type, operation, root, in_place);
  }
}

inline std::vector<vmmc_operation> operations_of(vmmc_type type) {
  if (type == VMMC_FLOAT || type == VMMC_DOUBLE)
    return {VMMC_SUM, VMMC_MIN, VMMC_MAX, VMMC_PRODUCT};
  return {VMMC_SUM, VMMC_MIN, VMMC_MAX, VMMC_PRODUCT, VMMC_AND, VMMC_OR, VMMC_XOR};
}

inline constexpr vmmc_type kTypes[] = {VMMC_INT32,  VMMC_UINT32, VMMC_INT64,
                                       VMMC_UINT64, VMMC_FLOAT,  VMMC_DOUBLE};

inline void check_broadcast(vmmc_group* group, std::uint64_t seed, std::size_t length,
                            std::uint32_t root) {
  std::vector<unsigned char> data(length, 0xee);
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(scramble(seed, root, i / 7) >> (i % 7));
  };
  if (vmmc_rank() == root) {
    for (std::size_t i = 0; i < length; ++i) data[i] = byte(i);
  }
  EXPECT(vmmc_broadcast(group, data.data(), length, root) == VMMC_OK);
  for (std::size_t i = 0; i < length; ++i) EXPECT(data[i] == byte(i));
}

inline void check_all_to_all(vmmc_group* group, std::uint64_t seed, std::size_t length) {
  const std::uint32_t size = vmmc_size();
  const auto byte = [&](std::uint32_t from, std::uint32_t to, std::size_t i) {
    return static_cast<unsigned char>(scramble(seed, from * 1000 + to, i / 7) >> (i % 7));
  };
  std::vector<unsigned char> outgoing(length * size), incoming(length * size, 0xee);
  for (std::size_t i = 0; i < outgoing.size(); ++i) {
    outgoing[i] = byte(vmmc_rank(), static_cast<std::uint32_t>(i / length), i % length);
  }
  EXPECT(vmmc_all_to_all(group, outgoing.data(), incoming.data(), length) == VMMC_OK);
  for (std::size_t i = 0; i < incoming.size(); ++i) {
    EXPECT(incoming[i] == byte(static_cast<std::uint32_t>(i / length), vmmc_rank(), i % length));
  }
}

}  // namespace vmmc::testing
