// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The commands: each group of them stands in a file of its own.
#pragma once

#include <string_view>
#include <vector>

#include "lab/actor/actor.h"

namespace vmmc::lab {

struct Entry {
  std::string_view name;
  Answer (*carry_out)(Actor& actor, const Command& command);
  // It says by itself when it is ready for what others do (Actor::announce).
  bool announces = false;
};
using Table = std::vector<Entry>;

Table buffer_commands();        // buffers.cc: export, unexport, read, wait
Table import_commands();        // imports.cc: import, unimport
Table transfer_commands();      // transfers.cc: send, fetch, add, fence, counters
Table binding_commands();       // bindings.cc: bind, store, stores, flush, unbind
Table notification_commands();  // notifications.cc: block, unblock, handled, wait_notification
Table stream_commands();        // streams.cc: compute, stream, consume, abort
Table measurement_commands();   // measurements.cc: round_trip, answer, update
Table forging_commands();       // forge.cc: forge

// The command of that name, or nullptr.
const Entry* find_command(std::string_view name);

// A line of input: carried out, and answered with a line. Before the answer, with "start": `begun()`, when the
// command is ready for what others do; simulated time waits for it from then on.
std::string answer_line(Actor& actor, std::string_view line, void (*begun)());

// What an actor that cannot attach writes before it ends.
std::string could_not_attach_line(std::string_view sentence);

}  // namespace vmmc::lab
