// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The parts of a snapshot, by subject; each returns the value of the member of its name. `storage` is the
// document's, so that nothing is copied when a part becomes its member.
//
// Threads: used by nicsim's one thread.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "nicsim/inspect/snapshot.h"
#include "nicsim/instruments.h"
#include "nicsim/machine.h"

namespace vmmc::nicsim::inspect {

using Storage = boost::json::storage_ptr;
// By node and process id.
using Processes = std::vector<const Process*>;

boost::json::object identity(const Process& process, const Storage& storage);
// null for what is not there.
boost::json::value identity_or_null(const Process* process, const Storage& storage);
boost::json::string_view access_name(std::uint32_t access);

// Who communicates, and what has become of it: snapshot.cc.
boost::json::array processes(const Processes& processes, const StalledOn& stalled_on,
                             const Storage& storage);

// What memory is open to whom: snapshot_memory.cc.
boost::json::array exports(const Processes& processes, const Storage& storage);
boost::json::array imports(const Processes& processes, bool host_is_open, const Storage& storage);
boost::json::array waiting_imports(const WaitingImports& waiting, const Storage& storage);
boost::json::array bindings(const Processes& processes, const Storage& storage);

// The page tables: snapshot_pages.cc.
boost::json::array outgoing_pages(const Processes& processes, const Storage& storage);
boost::json::array incoming_pages(const Backplane& backplane, const Processes& processes,
                                  const Storage& storage);

// The receive rings: snapshot_rings.cc. nullptr: there are none.
boost::json::array rings(const FrameRings* rings, const Storage& storage);
// The channels of real-time datagrams: snapshot_real_time.cc.
boost::json::array real_time_channels(const real_time::RealTimeChannels& channels,
                                      const Storage& storage);

// What the instruments show: snapshot_instruments.cc.
boost::json::object trace(const Trace& trace, const Storage& storage);
boost::json::object pace(const Pace& pace, const Storage& storage);
boost::json::object faults(const FaultPlan& plan, const Storage& storage);
boost::json::array errors(const ErrorLog& log, const Storage& storage);
boost::json::array latencies(const OperationLatencies& latencies, const Storage& storage);

}  // namespace vmmc::nicsim::inspect
