// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the processes of a recording do when it is replayed: for each of their threads a list of steps.
//
// A wait for a word ends when the transfer has arrived that ended it in the recorded run: the last one
// before the wait's mark that touched the word. So it is with notifications, in their order. A wait that no
// recorded transfer ended (the word was so from the start, or the process stored it itself) ends at once,
// and is counted. One that timed out lasts as long as it did.
//
// Every step depends on what stands before it in the recording only: a replay always comes to its end.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <vector>

#include "nicsim/parts/hardware.h"
#include "nicsim/recording/reader.h"

namespace vmmc::nicsim::sim {

struct ReplayBuffer {
  std::uint32_t owner;  // process
  std::uint64_t length;
  bool notifies;
};

struct ReplayOperation {
  parts::OperationKind kind;
  parts::Combining combining;
  bool notify;
  std::uint32_t process;
  std::uint32_t buffer;  // index in ReplayPlan::buffers; not of a flush
  std::uint64_t offset;
  std::uint64_t length;
};

struct ReplayStep {
  enum class Kind : std::uint8_t {
    kWork,             // argument: ns
    kSleep,            // argument: ns
    kBegin,            // argument: operation
    kAwaitDelivery,    // argument: operation
    kAwaitNotice,      // argument: operation
    kAwaitCompletion,  // argument: so many of the process's first operations
    kAwaitSources,     // the same
    kExport,           // argument: buffer
    kImport,           // argument: buffer
  };
  Kind kind;
  std::uint64_t argument;
};

struct ReplayProcess {
  std::uint32_t node = 0;
  std::uint32_t id = 0;
  std::uint64_t attached_at = 0;  // ns, recorded
  std::uint64_t left_at = 0;      // ns, recorded; that of the last record if it never left
  std::vector<std::vector<ReplayStep>> flows;  // of the threads
  std::vector<std::uint64_t> operations;       // indices in ReplayPlan::operations
};

struct ReplayPlan {
  std::vector<ReplayProcess> processes;
  std::vector<ReplayBuffer> buffers;
  std::vector<ReplayOperation> operations;
  std::uint64_t waits_without_transfer = 0;
  std::uint64_t lost_marks = 0;  // waits and handlers that nicsim was not told of
};

ReplayPlan plan_replay(const recording::Recording& recording);

}  // namespace vmmc::nicsim::sim
