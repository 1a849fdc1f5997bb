// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Captures every store that the code of this process makes to watched pages: plain, vector and
// string instructions, atomics, pushes, of any width and from any thread.
//
// Watched pages stay write-protected for as long as they are watched. A store there faults; the
// handler of SIGSEGV makes the same store through another mapping of the same memory (the alias),
// tells the sink, and lets the thread go on behind it. Decision record 0006 says why so.
//
// What a program sees
//   - The store is in memory, and the sink has heard of it, before the next instruction of its
//     thread. Over all threads and watched pages, stores are made and reported one after the other:
//     the order of the reports is the order in which they reached memory.
//   - Atomic instructions are atomic, and a store that is whole for other threads (an aligned word
//     or vector) stays whole. Exception: movs and stos are made of whole words of 4 and 8 bytes.
//   - A repeated string instruction is reported in pieces, none over the edge of a page; any other
//     store once a page, or, under a mask, once for each run of bytes that the mask lets through. A
//     compare-and-exchange that finds another value stores nothing, and nothing is reported.
//   - A store over the edge of the watched pages is made on both sides, and reported for this one.
//   - The kernel does not store to watched pages: read(2) into them fails with EFAULT, and so do
//     its like. Nothing is lost.
//   - The program's own handlers of SIGSEGV and SIGTRAP get what is theirs (fault_guard.h).
//
// What ends the process, by SIGSEGV at the instruction, after a sentence on standard error with the
// instruction's bytes and address: a store that cannot be made exactly elsewhere. These are
// scatters, movdir64b, clzero, xsave and its like, enter, far calls, pushes of segment registers,
// string instructions with 32-bit addresses or a segment, ins, tile stores, conversions to half
// precision with floating point exceptions on, instructions that the decoder does not know, an
// atomic instruction over the edge of the watched pages; and a store that a sink makes to watched
// pages. Without a sentence: a thread that has blocked SIGSEGV stores there, or one whose stack lies
// on watched pages and has no alternate signal stack.
//
// A program's alternate signal stack must have room for the handler: 4 KiB, and what the sink needs,
// beyond what the kernel puts there (getauxval(AT_MINSIGSTKSZ)).
//
// Threads and processes
//   Any thread may call watch_stores() and unwatch_stores(). A store of another thread at the same
//   time is either captured or made directly: directly before any that is captured when watching
//   begins, and after all of them when it ends. A forked child must call
//   forget_watches_after_fork() before it stores to pages that the parent watches, and must replace
//   those pages, for they stay write-protected.
//
// x86-64 with XSAVE. Elsewhere watch_stores() fails with ENOTSUP.
//
// What a crash at any instruction leaves behind: nothing.
#pragma once

#include <optional>

#include "platform/result.h"
#include "vmmc/internal/automatic/trap/watch_table.h"
#include "vmmc/internal/memory/page_range.h"

namespace vmmc::internal {

// Watches `pages`, a shared mapping that can be read and written; `alias` is where the same memory
// is mapped once more, readable and writable, in the same order. Both mappings and the sink stay
// until unwatch_stores() has returned. Nothing of the pages may be memory that the library itself
// stores to.
//
// Errors: ENOTSUP (this processor), EINVAL (no pages, or `alias` not at the start of a page), EEXIST
// (some of the pages are watched already), and those of mmap, mprotect and install_fault_guard().
std::optional<platform::SystemError> watch_stores(PageRange pages, std::byte* alias,
                                                  StoreSink& sink);

// Makes the pages of one watch_stores() writable again. When it returns, no handler works on them or
// with their sink, and none will.
//
// Errors: ENOENT (not what was watched), and those of mprotect: then the pages are watched as before.
std::optional<platform::SystemError> unwatch_stores(PageRange pages);

// In a forked child, while it has one thread: nothing is watched any more.
void forget_watches_after_fork();

}  // namespace vmmc::internal
