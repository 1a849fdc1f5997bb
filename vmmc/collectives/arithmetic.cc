// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "vmmc/collectives/arithmetic.h"

#include <array>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <type_traits>

namespace vmmc::collectives {
namespace {

// Signed overflow is undefined in C++: integers are combined as unsigned ones, which wrap.
template <typename T, typename Function>
T wrapping(T a, T b, Function function) {
  if constexpr (std::integral<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(function(static_cast<Unsigned>(a), static_cast<Unsigned>(b)));
  } else {
    return function(a, b);
  }
}

struct Sum {
  template <typename T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Product {
  template <typename T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct Min {
  template <typename T>
  static T apply(T a, T b) {
    return b < a ? b : a;
  }
};
struct Max {
  template <typename T>
  static T apply(T a, T b) {
    return a < b ? b : a;
  }
};
struct And {
  template <std::integral T>
  static T apply(T a, T b) {
    return a & b;
  }
};
struct Or {
  template <std::integral T>
  static T apply(T a, T b) {
    return a | b;
  }
};
struct Xor {
  template <std::integral T>
  static T apply(T a, T b) {
    return a ^ b;
  }
};

template <typename T, typename Operation>
void combine(void* into, const void* from, std::size_t count) {
  T* const __restrict left = static_cast<T*>(into);
  const T* const __restrict right = static_cast<const T*>(from);
  for (std::size_t i = 0; i < count; ++i) left[i] = Operation::apply(left[i], right[i]);
}

template <typename T, typename Operation>
constexpr Combine entry() {
  if constexpr (requires(T value) { Operation::apply(value, value); }) {
    return combine<T, Operation>;
  } else {
    return nullptr;
  }
}

constexpr const char* kOperationNames[] = {"VMMC_SUM", "VMMC_MIN", "VMMC_MAX", "VMMC_PRODUCT",
                                           "VMMC_AND", "VMMC_OR",  "VMMC_XOR"};
constexpr std::size_t kOperations = std::size(kOperationNames);

struct Type {
  const char* name;
  std::size_t size;
  std::array<Combine, kOperations> combine;  // by operation
};

template <typename T>
constexpr Type type(const char* name) {
  return {name,
          sizeof(T),
          {entry<T, Sum>(), entry<T, Min>(), entry<T, Max>(), entry<T, Product>(), entry<T, And>(),
           entry<T, Or>(), entry<T, Xor>()}};
}

// By enum vmmc_type.
constexpr Type kTypes[] = {type<std::int32_t>("VMMC_INT32"), type<std::uint32_t>("VMMC_UINT32"),
                           type<std::int64_t>("VMMC_INT64"), type<std::uint64_t>("VMMC_UINT64"),
                           type<float>("VMMC_FLOAT"),        type<double>("VMMC_DOUBLE")};

}  // namespace

bool is_type(vmmc_type type) { return static_cast<unsigned>(type) < std::size(kTypes); }
bool is_operation(vmmc_operation operation) {
  return static_cast<unsigned>(operation) < kOperations;
}
std::size_t size_of(vmmc_type type) { return kTypes[type].size; }
const char* name_of(vmmc_type type) { return kTypes[type].name; }
const char* name_of(vmmc_operation operation) { return kOperationNames[operation]; }
Combine combine_of(vmmc_type type, vmmc_operation operation) {
  return kTypes[type].combine[operation];
}

}  // namespace vmmc::collectives
