// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The ways of copying that are compared. Lengths are multiples of 256 bytes, both addresses of 8.
#pragma once

#include <cstddef>
#include <vector>

namespace vmmc::bench {

struct Way {
  const char* name;
  void (*copy)(std::byte* destination, const std::byte* source, std::size_t length);
};

// Those that this processor can go. The first is the C library's memcpy, the second copy_words.
std::vector<Way> ways();

// Takes a range out of all caches, if the processor has an instruction for that.
void flush(const std::byte* begin, std::size_t length);

}  // namespace vmmc::bench
