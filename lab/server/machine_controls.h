// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a scene or a page does to the machine itself: its pace and its faults (lab/protocol.md).
//
// Threads: nicsim's one thread.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "lab/server/machine_view.h"

namespace vmmc::lab {

// What is wrong, in a sentence, and then nothing has changed; empty: it has been done.
std::string apply_pace(MachineView& view, const boost::json::object& wish);
std::string apply_fault(MachineView& view, const boost::json::object& wish);

}  // namespace vmmc::lab
