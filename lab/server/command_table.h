// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What an actor may be told (lab/actor/README.md), and what a scene may tell the stage itself
// (lab/scenes/README.md). Who looks into the machine from outside gets no further than this table.
//
// Threads: any.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace vmmc::lab {

// What is wrong with the command, in a sentence; empty: an actor may be given it. Besides the members of
// the table it may have `actor` and `start`, which are the stage's.
std::string problem_of_actor_command(const boost::json::object& command);

// The same of one that the stage carries out itself.
std::string problem_of_stage_command(const boost::json::object& command);
bool is_stage_command(const boost::json::object& command);

// The members of "fault" and "pace", which are messages of the page, too.
std::string problem_of_fault(const boost::json::object& fault);
std::string problem_of_pace(const boost::json::object& pace);

}  // namespace vmmc::lab
