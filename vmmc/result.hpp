// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// VMMC: errors as values, and times, for the C++ interface. Programs include vmmc/vmmc.hpp.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>

#include "vmmc/types.h"

namespace vmmc {

// -------------------------------------------------------------------------------- errors

inline const boost::system::error_category& category() {
  struct status_category final : boost::system::error_category {
    const char* name() const noexcept override { return "vmmc"; }
    std::string message(int status) const override { return vmmc_strerror(status); }
  };
  static const status_category instance;
  return instance;
}

inline boost::system::error_code make_error_code(vmmc_status status) {
  return {static_cast<int>(status), category()};
}

template <typename T>
using result = boost::system::result<T>;

inline result<void> to_result(int status) {
  if (status == VMMC_OK) return {};
  return make_error_code(static_cast<vmmc_status>(status));
}

inline const char* last_error() { return vmmc_last_error(); }

// --------------------------------------------------------------------------------- times

inline constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

// Of a duration; a negative one is none.
inline std::uint64_t timeout_of(std::chrono::nanoseconds duration) {
  if (duration == forever) return VMMC_FOREVER;
  return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
}

}  // namespace vmmc

// An enum vmmc_status is an error code by itself: `if (sent.error() == VMMC_ERR_PEER_DEAD)`.
inline boost::system::error_code make_error_code(vmmc_status status) {
  return vmmc::make_error_code(status);
}
namespace boost::system {
template <>
struct is_error_code_enum<vmmc_status> : std::true_type {};
}  // namespace boost::system
