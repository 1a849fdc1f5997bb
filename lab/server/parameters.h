// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A step's parameters: what the page has chosen, within what the scene declares, put in the place of "$name".
//
// Threads: any.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <variant>

namespace vmmc::lab {

// The value of each parameter that `declared` (a step's "parameters") has: the chosen one, or the initial
// one. A sentence: `chosen` has one that is not declared, or a value that is not among the declared ones.
std::variant<boost::json::object, std::string> choose_parameters(const boost::json::array& declared,
                                                                 const boost::json::object& chosen);

// `value`, with the parameters' values in the place of each string "$name", however deep. Other strings
// that begin with '$' stay as they are.
boost::json::value substitute(const boost::json::value& value,
                              const boost::json::object& parameters);

}  // namespace vmmc::lab
