// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What nicsim checks of a transfer before it touches memory, and what it tells the receiver of one: the
// same in real and in simulated time.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <optional>

#include "nicsim/backplane.h"
#include "nicsim/process.h"
#include "nicsim/wire/status.h"
#include "platform/atomic_word.h"

namespace vmmc::nicsim {

// Of a transfer that has been decoded: the remote bytes lie in the import that it names and may be used
// like that, and the local bytes may be meant.
wire::Status check_transfer(const Process& process, const Transfer& transfer);
// The first half alone: between two pieces the import may have gone, and another one have come to its
// pages.
wire::Status check_remote(const Process& process, const Transfer& transfer);

// Why a packet found no page to land on: the exporter took the buffer back or ended.
wire::Status refusal(const Process& process, const Transfer& transfer);

platform::WordOperands operands_of(const wire::AtomicOperands& asked);

// The notification of a message that has landed, if its receiver gets one.
struct Notice {
  Process* receiver;
  wire::Notification notification;
};
std::optional<Notice> notice_of(const Backplane& backplane, const Process& sender,
                                const Transfer& transfer);

// Counts what has become of a transfer. Of those that were refused nothing else is counted.
void count_finished(const Process& process, const Transfer& transfer, wire::Status status);
// Counts bytes that have come to a buffer, from `offset` of it on.
struct CountedArrival {
  ExportedBuffer& buffer;
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t packets;
  bool ends_transfer;
};
void count_arrived(const Process& sender, const Transfer& transfer, const CountedArrival& arrival);

}  // namespace vmmc::nicsim
