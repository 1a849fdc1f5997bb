// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What one client does in a measured run: puts its share of the keys, waits until all clients have
// done so, then gets, puts and deletes at random, and checks every answer.
//
// Threads and processes: one thread in each client process.
#pragma once

#include <cstdint>
#include <string>

#include "examples/keyvalue/layout.h"
#include "examples/keyvalue/store.h"

namespace examples::keyvalue {

struct Mix {
  std::uint32_t keys = 10000;
  std::uint32_t operations = 100000;  // of each client
  std::uint32_t gets = 90;            // percent
  std::uint32_t deletes = 0;          // percent; the rest are puts
  std::uint32_t value_bytes = 200;    // at most
  std::uint64_t seed = 1;
  std::string history;  // if not empty, every operation is written to `history`.CLIENT
};

// A wrong answer throws std::runtime_error. A line of the history:
//   key version kind writer number start end
// kind is get, put or del; writer and number are the value's stamp, or - and 0 where the key is
// deleted; start and end in ns of the machine's monotonic clock.
Report run_workload(const Mix& mix, Store& store, std::uint32_t client);

}  // namespace examples::keyvalue
