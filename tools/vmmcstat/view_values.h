// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Values of a snapshot as text. A member that is missing is a mistake of nicsim's: an exception.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

namespace vmmc::stat {

inline std::string text(const boost::json::value& value, const char* if_null = "-") {
  if (value.is_null()) return if_null;
  if (value.is_string()) return {value.get_string().begin(), value.get_string().end()};
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (value.is_double()) return std::to_string(value.get_double());
  return value.is_int64() ? std::to_string(value.get_int64())
                          : std::to_string(value.to_number<std::uint64_t>());
}

inline std::uint64_t number(const boost::json::object& object, const char* member) {
  return object.at(member).to_number<std::uint64_t>();
}

// "(0, 3)": node and process id.
inline std::string process_text(const boost::json::object& object) {
  return "(" + text(object.at("node")) + ", " + text(object.at("process")) + ")";
}
inline std::string process_text(const boost::json::value& value) {
  return value.is_null() ? "-" : process_text(value.as_object());
}

inline const boost::json::array& list(const boost::json::object& object, const char* member) {
  return object.at(member).as_array();
}

}  // namespace vmmc::stat
