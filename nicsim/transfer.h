// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What stands at the head of a process's send queue, copied to private memory and decoded: one
// operation, carried out piece by piece.
#pragma once

#include <cstdint>

#include "nicsim/channel_view.h"
#include "nicsim/wire/control.h"
#include "nicsim/wire/send_descriptor.h"

namespace vmmc::nicsim {

// Who it is of, and whom it concerns: what the records of one operation say alike. See
// nicsim/traced_operation.h.
struct TracedOperation {
  std::uint64_t number = 0;  // 0: nobody has looked yet
  // Trace::generation() of the trace that was on when it got its number; 0: none was.
  std::uint32_t generation = 0;
  std::uint64_t taken = 0;    // ps, that trace's time
  std::uint32_t packets = 0;  // that have ended: the number of the one under way
  std::uint32_t node = 0;
  std::uint32_t process = wire::kAnyProcess;
  std::uint32_t peer = 0;
  std::uint32_t peer_process = wire::kAnyProcess;
  std::uint32_t buffer = 0;
  std::uint64_t offset = 0;  // in the buffer
  std::uint64_t length = 0;
  std::uint8_t kind = 0;
  bool notifies = false;
  bool has_peer = false;
  bool left = false;  // a packet has been made of it
};

struct Transfer {
  bool active = false;  // begun and not finished
  DescriptorCopy descriptor;
  wire::Operation operation;
  wire::LocalPlace place;
  bool notify;
  std::uint64_t length = 0;          // bytes
  std::uint64_t message_length = 0;  // with `notify`: of which these are the last `length`
  std::uint64_t done = 0;            // bytes moved

  // Of the instruments: clear, but for `traced` beyond its number, before an operation begins.
  bool noted = false;                // any of these may be set
  std::uint64_t measured_since = 0;  // ns, monotonic: its latency is measured; 0: it is not
  bool packet_waits = false;         // the next packet has been made, and the fault plan delays it
  bool last_struck = false;          // the fault plan has taken the packet that ended last
  bool has_stalled = false;          // for room in a receiver's queue, and that has been counted
  TracedOperation traced;

  // Of what decode() has understood, or has refused.
  bool has_destination() const {
    return operation != wire::Operation::kMark && operation != wire::Operation::kFlush;
  }
  bool is_update() const {
    return operation == wire::Operation::kDeliberateUpdate ||
           operation == wire::Operation::kAutomaticUpdate;
  }
};

// Fills the rest of `transfer` from its descriptor; false if that makes no sense.
bool decode(Transfer& transfer);

// Of what decode() has refused: whether it is a mark that can be taken. Then its length is 0.
bool is_plausible_mark(const Transfer& transfer);

// Which rights of the import the operation needs: wire::kAccess...
std::uint32_t needed_access(wire::Operation operation);

}  // namespace vmmc::nicsim
