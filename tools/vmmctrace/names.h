// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The format's words: what its numbers are called in every output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nicsim/wire/trace_record.h"

namespace vmmc::trace_tool {

// "packet_sent"; empty: there is no such event.
std::string_view event_name(wire::TraceEvent event);
// "outgoing_fifo"; empty: there is no such engine.
std::string_view engine_name(wire::TraceEngine engine);
// "deliberate_update"; empty: no operation.
std::string_view kind_name(std::uint8_t kind);
// "PERMISSION_DENIED"; a number if it is none of wire::Status.
std::string status_name(std::int32_t status);

// For people: "outgoing FIFO", "deliberate update".
std::string spoken(std::string_view name);

}  // namespace vmmc::trace_tool
