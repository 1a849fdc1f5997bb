// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The format's words, and how they are spoken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nicsim/trace/names.h"

namespace vmmc::trace_tool {

using nicsim::engine_name;
using nicsim::event_name;
using nicsim::kind_name;

// "PERMISSION_DENIED"; a number if it is none of wire::Status.
std::string status_name(std::int32_t status);

// For people: "outgoing FIFO", "deliberate update".
std::string spoken(std::string_view name);

}  // namespace vmmc::trace_tool
