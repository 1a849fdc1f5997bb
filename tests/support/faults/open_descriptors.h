// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// How many descriptors this process has open: the same before and after what must not leak any.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace vmmc::tests {

// The descriptor with which /proc/self/fd is read counts too, each time.
inline std::size_t count_open_descriptors() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

}  // namespace vmmc::tests
