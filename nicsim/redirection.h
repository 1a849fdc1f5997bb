// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Transfer redirection: which parts of a buffer land elsewhere, and which bytes have arrived in the
// buffer itself since they were last redirected.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "nicsim/byte_set.h"
#include "nicsim/segment.h"
#include "nicsim/wire/control.h"
#include "nicsim/wire/status.h"

namespace vmmc::nicsim {

// The pages of a client's memory that a request named.
struct NamedPages {
  std::vector<std::byte*> frames;
  std::vector<std::shared_ptr<Segment>> segments;  // keep them mapped
};

class Redirections {
 public:
  // Where [offset, offset + length) goes from now on: to the pages, from `page_offset` of the first
  // on. kOverlap: a part of it is redirected already; kTooManyRedirections.
  wire::Status add(std::uint64_t offset, std::uint64_t length, NamedPages pages,
                   std::uint32_t page_offset);

  // Ends the redirection that begins at `offset`. How many bytes came to it; nothing: there is none.
  std::optional<std::uint64_t> remove(std::uint64_t offset);

  bool empty() const { return redirections_.empty(); }
  std::size_t count() const { return redirections_.size(); }

  // Where the next bytes of a transfer land, from `offset` of the buffer on.
  struct Place {
    std::byte* address;    // nullptr: in the buffer itself
    std::uint64_t length;  // bytes for which this is so; at most what was asked for
  };
  Place find(std::uint64_t offset, std::uint64_t length) const;

  // Counts bytes that have landed: elsewhere, or (remembered as arrived) in the buffer itself. The
  // number of those that landed elsewhere.
  std::uint64_t count(std::uint64_t offset, std::uint64_t length);

  // What has arrived in the buffer itself of [offset, offset + length). Forgets it.
  std::vector<ByteSet::Range> take_arrived(std::uint64_t offset, std::uint64_t length) {
    return arrived_.take(offset, offset + length);
  }

 private:
  struct Redirection {
    std::uint64_t end;
    NamedPages pages;
    std::uint32_t page_offset;
    std::uint64_t direct = 0;
  };

  std::map<std::uint64_t, Redirection> redirections_;  // by first offset
  ByteSet arrived_;
};

}  // namespace vmmc::nicsim
