// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A value or the errno of the system call that failed, with the call's name.
#pragma once

#include <cerrno>
#include <optional>
#include <utility>

namespace vmmc::platform {

struct SystemError {
  const char* call;  // static string, e.g. "mmap"
  int number;        // errno
};

// The error of the call that has just failed.
inline SystemError last_system_error(const char* call) { return {call, errno}; }

// Either a value or a SystemError. `value()` and `error()` may be called only in the right state.
template <typename T>
class Result {
 public:
  Result(T value)
      : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor): reads as a return value
  Result(SystemError error) : error_(error) {}  // NOLINT(google-explicit-constructor): the same
  bool ok() const { return value_.has_value(); }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  const SystemError& error() const { return error_; }

 private:
  std::optional<T> value_;
  SystemError error_{"", 0};
};

}  // namespace vmmc::platform
