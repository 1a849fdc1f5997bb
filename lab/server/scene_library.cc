// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/scene_library.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>

#include "lab/server/command_table.h"
#include "lab/server/parameters.h"

namespace vmmc::lab {
namespace {

namespace json = boost::json;

void demand(bool holds, const std::string& otherwise) {
  if (!holds) throw std::runtime_error(otherwise);
}

// What is not of its type, or not there, throws, too: std::exception.
const json::array& array_in(const json::object& object, const char* key) {
  return object.at(key).as_array();
}

std::set<std::string> check_actors(const json::object& scene, std::uint32_t nodes) {
  std::set<std::string> names;
  for (const json::value& one : array_in(scene, "actors")) {
    const std::string name(one.at("name").as_string());
    demand(names.insert(name).second, "two actors are called " + name);
    demand(one.at("node").to_number<std::uint32_t>() < nodes,
           name + " is on no node of the machine");
  }
  return names;
}

void check_command(const json::object& command, const std::set<std::string>& actors) {
  const bool of_stage = is_stage_command(command);
  const std::string problem =
      of_stage ? problem_of_stage_command(command) : problem_of_actor_command(command);
  demand(problem.empty(), problem);
  const json::value* actor = command.if_contains("actor");
  if (of_stage && actor == nullptr) {
    const std::string_view verb = command.at("do").as_string();
    demand(verb == "fault" || verb == "pace" || verb == "context_switch",
           std::string(verb) + ": there is no actor");
    return;
  }
  demand(actor != nullptr && actors.count(std::string(actor->as_string())) == 1,
         "a command has an actor of the scene");
}

// Each parameter with each of its values once, the others as they are at first.
void check_step(const json::object& step, const std::set<std::string>& actors) {
  static const json::array kNone;
  const json::value* declared = step.if_contains("parameters");
  const json::array& parameters = declared != nullptr ? declared->as_array() : kNone;
  std::vector<json::object> choices{{}};
  for (const json::value& parameter : parameters) {
    for (const json::value& value : parameter.at("values").as_array()) {
      choices.push_back({{parameter.at("name").as_string(), value}});
    }
  }
  for (const json::object& choice : choices) {
    const auto chosen = choose_parameters(parameters, choice);
    if (const auto* problem = std::get_if<std::string>(&chosen)) demand(false, *problem);
    for (const json::value& command : array_in(step, "commands")) {
      check_command(substitute(command, std::get<json::object>(chosen)).as_object(), actors);
    }
  }
  if (const json::value* expected = step.if_contains("expect")) {
    for (const json::value& one : expected->as_array()) {
      demand(one.is_object(), "an expectation is an object");
    }
  }
}

void check_scene(const json::object& scene) {
  scene.at("title").as_string();
  // It takes the machine as it is.
  if (scene.at("id").as_string() == kFreePlay) return;
  const json::object& machine = scene.at("machine").as_object();
  machine.at("clock").as_string();
  const auto rows = machine.at("rows").to_number<std::uint32_t>();
  const auto columns = machine.at("columns").to_number<std::uint32_t>();
  demand(rows > 0 && columns > 0 && rows <= kMostNodes && columns <= kMostNodes &&
             rows * columns <= kMostNodes,
         "a machine of 1 to 16 nodes is needed");
  const std::set<std::string> actors = check_actors(scene, rows * columns);
  for (const json::value& command : array_in(scene, "setup")) {
    check_command(command.as_object(), actors);
  }
  for (const json::value& step : array_in(scene, "steps")) check_step(step.as_object(), actors);
}

}  // namespace

SceneLibrary::SceneLibrary(const std::vector<SceneText>& texts) {
  for (const SceneText& file : texts) {
    try {
      const json::value scene = json::parse(file.text);
      check_scene(scene.as_object());
      demand(find(scene.at("id").as_string()) == nullptr, "another scene has this id");
      scenes_.push_back(scene);
    } catch (const std::exception& error) {
      problems_.push_back("scene " + std::string(file.name) + ": " + error.what());
    }
  }
}

const json::object* SceneLibrary::find(std::string_view id) const {
  for (const json::value& scene : scenes_) {
    if (std::string_view(scene.at("id").get_string()) == id) return &scene.get_object();
  }
  return nullptr;
}

}  // namespace vmmc::lab
