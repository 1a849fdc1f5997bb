// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Copies between memory that other processes look at while we copy.
#pragma once

#include <cstddef>

namespace vmmc::platform {

// Copies `length` bytes; the ranges do not overlap. Every naturally aligned 4- and 8-byte word of
// the destination that lies wholly inside it is stored whole (a reader never sees half of one), and
// no byte is stored twice. The stores are ordered before any later store (release). Order among the
// words of one copy is not promised.
void copy_words(std::byte* destination, const std::byte* source, std::size_t length);

// The same for a source that others change meanwhile: it is the words of the source that are loaded
// whole. Those of the destination are stored whole if both have the same place in an 8-byte word.
void read_words(std::byte* destination, const std::byte* source, std::size_t length);

}  // namespace vmmc::platform
