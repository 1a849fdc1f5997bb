// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The pages that a request names by extents of the client's segments: the home of an exported
// buffer, or where a redirection leads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nicsim/process.h"
#include "nicsim/wire/control.h"

namespace vmmc::nicsim {

// A range of bytes in memory that is named by pages.
struct NamedRange {
  std::uint64_t length;       // bytes, > 0
  std::uint32_t page_offset;  // of the first byte in the first page
  std::span<const wire::Extent> extents;
};

struct FoundPages {
  NamedPages pages;
  // Which bytes of which segments the range covers: (segment, first byte) -> end.
  std::vector<std::pair<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t>> byte_runs;
};

// kMalformed: pages that are not the process's, too many, or not as many as the range needs;
// kZeroLength, kLengthOverflow.
wire::Status find_pages(const Process& process, const NamedRange& range, FoundPages& found);

}  // namespace vmmc::nicsim
