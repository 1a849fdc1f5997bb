// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Runs vmmcstat to its end.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace vmmc::testing {

struct StatRun {
  int exit_code;
  std::string output;  // standard output
  std::string errors;  // standard error
};

// `arguments` as a shell has them.
StatRun run_vmmcstat(const std::string& socket, const std::string& arguments);

// The document that `vmmcstat --json` prints; an exception if it fails.
boost::json::object json_of(const std::string& socket, const std::string& arguments = "");

}  // namespace vmmc::testing
