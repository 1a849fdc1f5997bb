// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Collective operations, the C++20 interface. All rules, units and errors are those of
// collectives.h; owners and errors are as in vmmc.hpp.
//
//   auto group = vmmc::group::create(100).value();
//   double largest = group.allreduce(mine, VMMC_MAX).value();
//
// Ownership   The destructor is collective (vmmc_group_destroy), and does not report what it cannot
//             do: call destroy() where that matters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "vmmc/collectives.h"
#include "vmmc/vmmc.hpp"

namespace vmmc {

inline constexpr vmmc_group_options group_defaults = VMMC_GROUP_DEFAULTS;

// The types that reductions know, e.g. type_of<double> is VMMC_DOUBLE. Integers go by their size:
// long and long long are both 8 bytes.
template <typename T>
requires(std::is_arithmetic_v<T> &&
         (sizeof(T) == 4 || sizeof(T) == 8)) inline constexpr vmmc_type type_of =
    std::is_floating_point_v<T> ? (sizeof(T) == 4 ? VMMC_FLOAT : VMMC_DOUBLE)
    : std::is_signed_v<T>       ? (sizeof(T) == 4 ? VMMC_INT32 : VMMC_INT64)
                                : (sizeof(T) == 4 ? VMMC_UINT32 : VMMC_UINT64);

class group {
 public:
  [[nodiscard]] static result<group> create(std::uint32_t buffer_id,
                                            const vmmc_group_options& options = group_defaults) {
    vmmc_group* made = nullptr;
    const auto done = to_result(vmmc_group_create(buffer_id, &options, &made));
    if (!done) return done.error();
    return group(made);
  }
  group(group&& other) noexcept : group_(std::exchange(other.group_, nullptr)) {}
  group& operator=(group&& other) noexcept {
    std::swap(group_, other.group_);
    return *this;
  }
  ~group() { vmmc_group_destroy(group_); }

  result<void> destroy() { return to_result(vmmc_group_destroy(std::exchange(group_, nullptr))); }

  result<void> barrier() const { return to_result(vmmc_barrier(group_)); }

  template <typename T, std::size_t N>
  requires std::is_trivially_copyable_v<T> result<void> broadcast(std::span<T, N> data,
                                                                  std::uint32_t root)
  const { return to_result(vmmc_broadcast(group_, data.data(), data.size_bytes(), root)); }

  // In place: the root's values become the result; the others' stay as they are.
  template <typename T, std::size_t N>
  result<void> reduce(std::span<T, N> values, vmmc_operation operation, std::uint32_t root) const {
    return to_result(vmmc_reduce(group_, values.data(), values.data(), values.size(), type_of<T>,
                                 operation, root));
  }

  // In place.
  template <typename T, std::size_t N>
  result<void> allreduce(std::span<T, N> values, vmmc_operation operation) const {
    return to_result(
        vmmc_allreduce(group_, values.data(), values.data(), values.size(), type_of<T>, operation));
  }
  template <typename T>
  requires std::is_arithmetic_v<T> result<T> allreduce(T value, vmmc_operation operation)
  const {
    const auto done = allreduce(std::span<T, 1>(&value, 1), operation);
    if (!done) return done.error();
    return value;
  }

  // Both hold one block for each rank, all of the same size; else INVALID_ARGUMENT, without a
  // sentence.
  template <typename T, std::size_t N, std::size_t M>
  requires std::is_trivially_copyable_v<T> result<void> all_to_all(std::span<const T, N> outgoing,
                                                                   std::span<T, M> incoming)
  const {
    if (outgoing.size() != incoming.size() || outgoing.size() % size() != 0) {
      return to_result(VMMC_ERR_INVALID_ARGUMENT);
    }
    return to_result(
        vmmc_all_to_all(group_, outgoing.data(), incoming.data(), outgoing.size_bytes() / size()));
  }

 private:
  explicit group(vmmc_group* made) : group_(made) {}
  vmmc_group* group_;
};

}  // namespace vmmc
