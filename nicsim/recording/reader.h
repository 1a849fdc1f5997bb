// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Reads a recording (format.h), and believes nothing of it that it has not checked.
//
// Errors, one line each: not a recording; another version; a record that is corrupt: its kind, its order,
// its sizes. A recording without its end is none: it is read up to the cut, and says so.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "nicsim/recording/format.h"

namespace vmmc::nicsim::recording {

struct Recording {
  FileHeader header{};
  std::vector<Record> records;  // without the end
  std::string cut_off;          // one line if the end is missing, else empty
  std::uint32_t processes = 0;
};

// No work and no time in a recording is longer, so that sums of them fit: 11 days, in ns.
inline constexpr std::uint64_t kLongestNs = 1'000'000'000'000'000;
// No recorded buffer is longer: a destination space.
inline constexpr std::uint64_t kLongestBuffer = std::uint64_t{64} << 30;

// The recording in the file, or why it cannot be read.
std::variant<Recording, std::string> read_recording(const std::string& path);
// The same of bytes; `name` is for messages.
std::variant<Recording, std::string> parse_recording(std::span<const std::byte> bytes,
                                                     const std::string& name);

// A record as one line of text, without its end.
std::string to_text(const Record& record);

}  // namespace vmmc::nicsim::recording
