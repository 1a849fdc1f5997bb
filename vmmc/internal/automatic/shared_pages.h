// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Shared capture: pages of the program that are, for a while, the pages of a remote buffer, which the
// host executor has mapped.
//
//   window of the host executor    | buffer ............... | bell |
//                                        | once more |         | once more
//                                        v           v         v
//   pages of the program           ......| the pages |         a place of its own
//
// Made and ended in one step each: at no moment is a page not mapped. The mapping does not depend on
// the host executor's: it outlives the import.
//
// Threads and processes
//   One thread at a time, while other threads load and store in the pages; what they store while the
//   pages are being replaced is in the remote ones, or, at the beginning, given up with the rest.
//
// Invariants
//   After an error everything is as before.
//   A forked child has the pages (private: make_private_in_child()), but not the bell.
//
// What a crash at any instruction leaves behind: nothing, all memory is anonymous.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "nicsim/wire/buffer_bell.h"
#include "platform/result.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

class SharedPages {
 public:
  SharedPages() = default;
  SharedPages(SharedPages&& other) noexcept
      : pages_(std::exchange(other.pages_, {})), bell_(std::exchange(other.bell_, nullptr)) {}
  SharedPages& operator=(SharedPages&& other) noexcept {
    std::swap(pages_, other.pages_);
    std::swap(bell_, other.bell_);
    return *this;
  }
  // Lets go of the bell; the pages stay what they are.
  ~SharedPages();

  // Replaces `pages` by the shared memory that is mapped at `remote`; `bell` is the page of its bell.
  // REQUIRES: the pages are private memory that nobody else replaces.
  static platform::Result<SharedPages> take(PageRange pages, std::byte* remote, std::byte* bell);

  // The pages become private memory with the content that they show. Nothing if they are already.
  std::optional<platform::SystemError> give_back();

  // The same in a forked child, async-signal-safe.
  void make_private_in_child();

  bool are_remote() const { return pages_.begin != 0; }
  // Mapped for the life of this object, also after give_back().
  wire::BufferBell* bell() const { return reinterpret_cast<wire::BufferBell*>(bell_); }

 private:
  SharedPages(PageRange pages, std::byte* bell) : pages_(pages), bell_(bell) {}

  PageRange pages_;
  std::byte* bell_ = nullptr;
};

}  // namespace vmmc::internal
