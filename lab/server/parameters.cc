// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/parameters.h"

#include <algorithm>

namespace vmmc::lab {

namespace json = boost::json;

std::variant<json::object, std::string> choose_parameters(const json::array& declared,
                                                          const json::object& chosen) {
  json::object values;
  for (const json::value& one : declared) {
    const json::object& parameter = one.as_object();
    const json::string& name = parameter.at("name").as_string();
    values[name] = parameter.at("initial");
    const json::value* choice = chosen.if_contains(name);
    if (choice == nullptr) continue;
    const json::array& allowed = parameter.at("values").as_array();
    if (std::find(allowed.begin(), allowed.end(), *choice) == allowed.end()) {
      return "parameter \"" + std::string(name) + "\" has not one of its values";
    }
    values[name] = *choice;
  }
  for (const auto& member : chosen) {
    if (!values.contains(member.key())) {
      return "the step has no parameter \"" + std::string(member.key().substr(0, 32)) + "\"";
    }
  }
  return values;
}

json::value substitute(const json::value& value, const json::object& parameters) {
  if (value.is_string()) {
    const json::string& text = value.get_string();
    if (text.empty() || text[0] != '$') return value;
    const json::value* chosen = parameters.if_contains(text.subview(1));
    return chosen != nullptr ? *chosen : value;
  }
  if (value.is_array()) {
    json::array all;
    for (const json::value& one : value.get_array()) all.push_back(substitute(one, parameters));
    return all;
  }
  if (value.is_object()) {
    json::object all;
    for (const auto& [key, one] : value.get_object()) all[key] = substitute(one, parameters);
    return all;
  }
  return value;
}

}  // namespace vmmc::lab
