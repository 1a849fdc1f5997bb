// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The host executor's records of all imports: what may be done without nicsim. Static memory, so that
// whoever comes too late finds a closed record and not nothing.
//
// Threads: see vmmc/host_executor.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nicsim/wire/buffer_bell.h"
#include "nicsim/wire/channel.h"
#include "vmmc/host_executor.hpp"

namespace vmmc::host_executor {

// Other threads do not write the line that the owner's stores look at, nor that of another import.
static_assert(alignof(record) == wire::kCacheLineSize);
static_assert(offsetof(record, busy_others) == wire::kCacheLineSize);
static_assert(offsetof(record, proxy) + sizeof(record::proxy) <= wire::kCacheLineSize);

// By import slot.
extern constinit record records[wire::kImportSlots];

// The record that the calling thread used last: most sends need not look theirs up. (Initial-exec: one
// instruction.)
[[gnu::tls_model("initial-exec")]] inline thread_local constinit record* recent = &records[0];

// Wakes the receiver if it waits for these bytes. For a thread that is busy in the record.
void ring(const record& from, std::uint64_t offset, std::uint64_t length);

// As ring() of a record, for a bell that the caller keeps mapped.
void ring(wire::BufferBell& bell, std::uint64_t offset, std::uint64_t length);

// Wakes the receiver whatever it waits for.
void ring_for_any(wire::BufferBell& bell);

}  // namespace vmmc::host_executor
