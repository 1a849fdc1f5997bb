// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The counters of a node's hardware, in simulated time, as a part of a snapshot.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

#include "nicsim/parts/hardware.h"

namespace vmmc::nicsim {

// "PART.COUNTER" -> number.
boost::json::object hardware_counters(const parts::Hardware& hardware, std::uint32_t node);

}  // namespace vmmc::nicsim
