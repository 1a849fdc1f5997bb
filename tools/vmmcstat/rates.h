// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What happened between two snapshots, per second of real time.
#pragma once

#include <boost/json/object.hpp>

namespace vmmc::stat {

// {"seconds": S, "processes": [{"node", "process", each counter by its name: per second}]}: of those
// processes that both snapshots have. They are of the same nicsim, `before` is the older one.
boost::json::object rates_of(const boost::json::object& before, const boost::json::object& after);

}  // namespace vmmc::stat
