// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the server does for its clients: the part of the example that knows nothing of processes.
// The arguments come from strangers: anything is expected, and nothing takes longer than some tens
// of microseconds, because the server does one thing at a time.
//
// Threads: no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "examples/requestserver/protocol.h"

namespace examples::requestserver {

inline constexpr std::uint64_t kLargestNumber = 1'000'000'000;  // for kFactor

struct Answer {
  bool refused;
  std::string text;  // why, if refused; at most kLaneBytes
};

// Why a message with this kind and place in the client's lanes is no request; empty if it is one.
std::string fault_of_message(std::uint32_t kind, std::size_t offset, std::size_t length);

// The answer to a request that has no such fault. kHello is refused: the server answers it.
//   kReverse   the bytes in reverse order
//   kWords     how many runs of bytes other than space, tab and newline there are
//   kChecksum  CRC-32 as 8 hexadecimal digits
//   kFactor    the prime factors of a decimal number, 2 .. kLargestNumber, in ascending order
Answer answer(std::uint32_t kind, std::string_view text);

}  // namespace examples::requestserver
