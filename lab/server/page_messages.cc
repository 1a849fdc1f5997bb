// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What a page may ask for. It is a stranger until proved otherwise: every member is looked at before
// anything is done.

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <stdexcept>

#include "lab/server/lab_server.h"
#include "lab/server/machine_controls.h"
#include "lab/server/page.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;

// A sentence for the page.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr std::int64_t kMostRequest = std::int64_t{1} << 53;  // what a page's numbers can hold

std::int64_t number_in(const json::object& message, std::string_view key, std::int64_t most) {
  const json::value* value = message.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0 ||
      value->get_int64() > most) {
    throw Refusal("\"" + std::string(key) + "\" is a whole number from 0 to " +
                  std::to_string(most));
  }
  return value->get_int64();
}

std::string text_in(const json::object& message, std::string_view key) {
  const json::value* value = message.if_contains(key);
  if (value == nullptr || !value->is_string() || value->get_string().size() > 64) {
    throw Refusal("\"" + std::string(key) + "\" is a short text");
  }
  return std::string(value->get_string());
}

const json::object& object_in(const json::object& message, std::string_view key) {
  static const json::object kNone;
  const json::value* value = message.if_contains(key);
  if (value == nullptr || value->is_null()) return kNone;
  if (!value->is_object()) throw Refusal("\"" + std::string(key) + "\" is an object");
  return value->get_object();
}

std::optional<std::string> text_or_none(const json::object& message, std::string_view key) {
  const json::value* value = message.if_contains(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return text_in(message, key);
}

}  // namespace

void LabServer::take(Page& page, std::string_view text) {
  Asker asker{page.number(), std::nullopt};
  try {
    boost::system::error_code error;
    const json::value message = json::parse(text, error);
    if (error || !message.is_object()) throw Refusal("a message is a JSON object");
    const json::value* request = message.get_object().if_contains("request");
    if (request != nullptr && request->is_int64()) asker.request = request->get_int64();
    take_message(page, message.get_object());
  } catch (const std::exception& refusal) {
    problem(refusal.what(), asker);
  }
}

void LabServer::take_message(Page& page, const json::object& message) {
  Asker asker{page.number(), std::nullopt};
  if (const json::value* given = message.if_contains("request"); given && !given->is_null()) {
    asker.request = number_in(message, "request", kMostRequest);
  }
  const std::string type = text_in(message, "type");
  std::string wrong;
  if (type == "begin") {
    stage_.begin(asker, text_in(message, "scene"), text_or_none(message, "clock"));
  } else if (type == "step" || type == "play") {
    play(asker, type, message);
  } else if (type == "kill") {
    stage_.kill(asker, text_in(message, "actor"));
  } else if (type == "restart") {
    stage_.restart(asker, text_in(message, "actor"));
  } else if (type == "pace" || type == "fault") {
    json::object wish = message;
    wish.erase("request");
    wrong = type == "pace" ? apply_pace(view_, wish) : apply_fault(view_, wish);
  } else if (type == "look") {
    look(page, message);
  } else if (type == "machine") {
    change_machine(asker, message);
  } else {
    wrong = "there is no message of this type";
  }
  if (!wrong.empty()) problem(wrong, asker);
}

void LabServer::play(const Asker& asker, const std::string& type, const json::object& message) {
  if (!asker.request) throw Refusal("\"request\" is missing");
  if (type == "step") {
    const auto index = static_cast<std::size_t>(number_in(message, "step", 1000));
    return stage_.step(asker, index, object_in(message, "parameters"));
  }
  stage_.play(asker, text_in(message, "actor"), object_in(message, "command"));
}

void LabServer::look(Page& page, const json::object& message) {
  const json::value* at = message.if_contains("at");
  if (at == nullptr || !at->is_array() || at->get_array().size() > kMostLookedAt) {
    throw Refusal("\"at\" is an array of at most " + std::to_string(kMostLookedAt) + " pages");
  }
  constexpr std::int64_t kMost = 0xffffffff;
  std::vector<LookedAt> pages;
  for (const json::value& one : at->get_array()) {
    if (!one.is_object()) throw Refusal("a page is an object");
    const json::object& place = one.get_object();
    pages.push_back({static_cast<std::uint32_t>(number_in(place, "node", kMost)),
                     static_cast<std::uint32_t>(number_in(place, "process", kMost)),
                     static_cast<std::uint32_t>(number_in(place, "segment", kMost)),
                     static_cast<std::uint64_t>(number_in(place, "page", kMost))});
  }
  page.look_at(pages);
}

void LabServer::change_machine(const Asker& asker, const json::object& message) {
  const auto rows = static_cast<std::uint32_t>(number_in(message, "rows", kMostNodes));
  const auto columns = static_cast<std::uint32_t>(number_in(message, "columns", kMostNodes));
  if (rows * columns == 0 || rows * columns > kMostNodes) {
    throw Refusal("a machine has 1 to 16 nodes");
  }
  stage_.change_machine(asker, {rows, columns, text_in(message, "clock"), std::string(kFreePlay)});
}

}  // namespace vmmc::lab
