// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A record of the trace as the page gets it: the members that have a meaning for its event, by name
// (lab/protocol.md).
//
// Threads: any.
#pragma once

#include <boost/json/object.hpp>

#include "nicsim/wire/trace_record.h"

namespace vmmc::lab {

boost::json::object to_json(const wire::TraceRecord& record);

}  // namespace vmmc::lab
