// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/expectations.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string_view>

namespace vmmc::lab {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) { return json::serialize(value); }

std::optional<double> number_of(const json::value& value) {
  if (value.is_bool()) return std::nullopt;
  boost::system::error_code error;
  const double number = value.to_number<double>(error);
  return error ? std::nullopt : std::optional(number);
}

std::uint64_t count_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  const auto number = number_of(*value);
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

const json::array& array_of(const json::object& object, std::string_view key) {
  static const json::array kNone;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

// A process that has not been there yet, or is there no more, has counted nothing.
std::uint64_t counter_in(const json::object& snapshot, const Outcome::Actor& actor,
                         std::string_view counter) {
  for (const json::value& one : array_of(snapshot, "processes")) {
    const json::object* process = one.if_object();
    if (process == nullptr || count_of(*process, "node") != actor.node ||
        count_of(*process, "process") != actor.process) {
      continue;
    }
    const json::value* counters = process->if_contains("counters");
    return counters != nullptr && counters->is_object() ? count_of(counters->get_object(), counter)
                                                        : 0;
  }
  return 0;
}

std::uint64_t errors_in(const json::object& snapshot, const json::value& status,
                        const json::value* what) {
  std::uint64_t sum = 0;
  for (const json::value& one : array_of(snapshot, "errors")) {
    const json::object* entry = one.if_object();
    if (entry == nullptr) continue;
    const json::value* its_status = entry->if_contains("status");
    const json::value* its_what = entry->if_contains("what");
    if (its_status == nullptr || *its_status != status) continue;
    if (what != nullptr && (its_what == nullptr || *its_what != *what)) continue;
    sum += count_of(*entry, "count");
  }
  return sum;
}

bool equal(const json::value& a, const json::value& b) {
  const auto left = number_of(a);
  const auto right = number_of(b);
  return left && right ? *left == *right : a == b;
}

// Compares as the member of `form` with one of these names says; nothing: it holds.
std::string compare(const json::value& found, const json::object& form, std::string_view exactly,
                    std::string_view at_least, std::string_view at_most) {
  if (const json::value* due = form.if_contains(exactly)) {
    return equal(found, *due) ? "" : "is " + text_of(found) + ", and not " + text_of(*due);
  }
  const auto number = number_of(found);
  for (const bool least : {true, false}) {
    const json::value* due = form.if_contains(least ? at_least : at_most);
    if (due == nullptr) continue;
    const auto limit = number_of(*due);
    const bool holds = number && limit && (least ? *number >= *limit : *number <= *limit);
    if (!holds) {
      return "is " + text_of(found) + ", and not at " + (least ? "least " : "most ") +
             text_of(*due);
    }
  }
  return "";
}

std::string check_command(const json::object& form, const Outcome& outcome) {
  const std::uint64_t number = count_of(form, "command");
  const json::value* member = form.if_contains("member");
  if (number >= outcome.answers.size() || member == nullptr || !member->is_string()) {
    return "there is no such command: " + json::serialize(form);
  }
  const json::string& name = member->get_string();
  const std::string whose =
      "\"" + std::string(name) + "\" of command " + std::to_string(number) + " ";
  const json::value* found = outcome.answers[number].if_contains(name);
  if (found == nullptr) return whose + "is not there";
  const std::string problem = compare(*found, form, "is", "at_least", "at_most");
  return problem.empty() ? "" : whose + problem;
}

std::string check_counter(const json::object& form, const Outcome& outcome) {
  const json::value* name = form.if_contains("counter");
  const json::value* whose = form.if_contains("actor");
  if (!name->is_string() || whose == nullptr || !whose->is_string()) {
    return "a counter has a name and an actor: " + json::serialize(form);
  }
  const auto actor = outcome.actors.find(std::string(whose->get_string()));
  if (actor == outcome.actors.end()) return "there is no such actor: " + json::serialize(form);
  const std::uint64_t before = counter_in(outcome.before, actor->second, name->get_string());
  const std::uint64_t after = counter_in(outcome.after, actor->second, name->get_string());
  // It may have begun anew with another process.
  const json::value growth = after >= before ? after - before : after;
  const std::string problem = compare(growth, form, "grows_by", "grows_at_least", "");
  return problem.empty() ? ""
                         : "the growth of " + std::string(name->get_string()) + " of " +
                               actor->first + " " + problem;
}

std::string check_error(const json::object& form, const Outcome& outcome) {
  const json::value& status = form.at("error");
  const json::value* what = form.if_contains("what");
  const json::value growth =
      errors_in(outcome.after, status, what) - errors_in(outcome.before, status, what);
  const std::string problem = compare(growth, form, "grows_by", "grows_at_least", "");
  return problem.empty() ? ""
                         : "the number of errors " + text_of(status) + " since before " + problem;
}

std::string check_state(const json::object& form, const Outcome& outcome) {
  const json::value* name = form.if_contains("actor");
  if (name == nullptr || !name->is_string())
    return "there is no such actor: " + json::serialize(form);
  const auto actor = outcome.actors.find(std::string(name->get_string()));
  if (actor == outcome.actors.end()) return "there is no such actor: " + json::serialize(form);
  const json::value& due = form.at("state");
  if (due.is_string() && actor->second.state == std::string_view(due.get_string())) return "";
  return actor->first + " is " + actor->second.state + ", and not " + text_of(due);
}

std::string check(const json::object& form, const Outcome& outcome) {
  if (form.contains("command")) return check_command(form, outcome);
  if (form.contains("counter")) return check_counter(form, outcome);
  if (form.contains("error")) return check_error(form, outcome);
  if (form.contains("state")) return check_state(form, outcome);
  for (const std::string_view what : {"exports", "imports", "bindings"}) {
    const json::value* due = form.if_contains(what);
    if (due == nullptr) continue;
    const json::value found = array_of(outcome.after, what).size();
    return equal(found, *due) ? ""
                              : "the number of " + std::string(what) + " is " + text_of(found) +
                                    ", and not " + text_of(*due);
  }
  return "there is no such expectation: " + json::serialize(form);
}

}  // namespace

std::vector<std::string> unmet_expectations(const json::array& expected, const Outcome& outcome) {
  std::vector<std::string> unmet;
  for (const json::value& one : expected) {
    std::string problem = one.is_object() ? check(one.get_object(), outcome)
                                          : "an expectation is an object: " + text_of(one);
    if (!problem.empty()) unmet.push_back(std::move(problem));
  }
  return unmet;
}

}  // namespace vmmc::lab
