// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The server process: exports the table, sleeps until the clients have ended, and prints what they
// report, and what it has done itself meanwhile, which is nothing.
//
// Threads and processes: one server. Clients import the table, count themselves in Session::arrived
// and, at their end, send their report and count themselves in Session::done.
//
// What a crash at any instruction leaves behind
//   Of a client: the server sees within a second that it imports no longer, and does not wait for
//   it. (Of one that dies before it has arrived it does not know, and waits: whoever started it,
//   as vmmcrun, ends the job.) Of the server: the clients' operations fail with PEER_DEAD.
#pragma once

#include "examples/keyvalue/layout.h"

namespace examples::keyvalue {

// Attached already. Returns when all clients have ended. `reports`: they send reports.
void serve(const Layout& layout, bool reports);

}  // namespace examples::keyvalue
