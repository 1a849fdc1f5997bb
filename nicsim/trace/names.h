// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the numbers of the trace's format are called, in the lab's page and in every output of vmmctrace.
#pragma once

#include <cstdint>
#include <string_view>

#include "nicsim/wire/trace_record.h"

namespace vmmc::nicsim {

// "packet_sent"; empty: there is no such event.
std::string_view event_name(wire::TraceEvent event);
// "outgoing_fifo"; empty: there is no such engine.
std::string_view engine_name(wire::TraceEngine engine);
// "deliberate_update"; empty: no operation.
std::string_view kind_name(std::uint8_t kind);

}  // namespace vmmc::nicsim
