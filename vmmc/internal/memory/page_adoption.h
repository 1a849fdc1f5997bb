// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Adoption: private pages become pages of a memfd in place, at the same addresses and with the same
// content, while other threads go on using them. And back.
//
// How: a second mapping is made of what shall take their place. The pages are write-protected,
// copied there, and the second mapping is moved over them in one step. A thread that stores
// meanwhile faults and waits (fault_guard); a thread that loads notices nothing. Nothing in a page
// is ever older than a store that has been made.
//
// Cost, measured on a 2-core virtual x86-64 machine (Linux 6.18): about 10 us per call and 0.5 us
// per page.
//
// Threads and processes
//   Any thread; calls wait for each other. What a thread may not do meanwhile: store there through
//   a system call (read(2) into the pages may fail with EFAULT), store there with SIGSEGV blocked,
//   or change the mapping of the pages. A fork must happen between hold_adoptions() and
//   resume_adoptions().
//
// Invariants
//   After an error the pages are as before: mapping, content, rights.
//   Both functions keep no reference: the descriptor may be closed afterwards.
//   Lost by adoption: locks (mlock) and advice (madvise) given for the pages. Pages that the kernel
//   holds for input that is under way (O_DIRECT, io_uring buffers) are replaced all the same, and
//   that input is lost.
//
// What a crash at any instruction leaves behind: nothing, all memory is anonymous.
#pragma once

#include <optional>

#include "platform/result.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

// nullopt: done.
using AdoptionError = std::optional<platform::SystemError>;

// Replaces pages by those of the memfd `fd` from byte `offset` (a multiple of the page size) on.
// REQUIRES: each page is private, and check_memory allows it, or was adopted or allocated before, and
// nobody stores there through another mapping; the memfd is allocated in full.
AdoptionError adopt_pages(PageRange range, int fd, std::size_t offset);

// Replaces adopted or allocated pages by private anonymous ones.
AdoptionError give_back_pages(PageRange range);

// In a forked child, before it has a second thread: gives the child private pages in place of those
// that it shares with its parent. Async-signal-safe, no error: if there is no memory for all at
// once it goes on in small steps, and pages for which there is none at all are unmapped, as no page
// may stay shared.
void make_pages_private_in_child(PageRange range);

// Around fork(): no adoption is under way between the two. Both the parent and the child call
// resume_adoptions().
void hold_adoptions();
void resume_adoptions();

}  // namespace vmmc::internal
