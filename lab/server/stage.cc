// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which scene is played, and its steps. What single commands do: stage_commands.cc.

#include "lab/server/stage.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json/value.hpp>

#include "lab/server/parameters.h"

namespace vmmc::lab {

namespace json = boost::json;

Stage::Stage(boost::asio::io_context& context, MachineView& view, const SceneLibrary& library,
             Audience& audience, std::string actor_program)
    : context_(context),
      view_(view),
      library_(library),
      audience_(audience),
      actor_program_(std::move(actor_program)) {}

Stage::~Stage() {
  alive_.reset();
  for (auto& [name, actor] : actors_) {
    if (actor.process != nullptr) actor.process->end_now();
  }
}

json::value Stage::scene() const {
  return scene_.empty() ? json::value(nullptr) : json::value(scene_);
}

json::array Stage::actors() const {
  json::array all;
  for (const std::string& name : order_) {
    const Actor& actor = actors_.at(name);
    const bool running = actor.process != nullptr && actor.process->running();
    const std::string why = actor.process != nullptr ? actor.process->why() : "";
    all.push_back(json::object{
        {"name", name},
        {"node", actor.identity.node},
        {"process", actor.identity.process},
        {"pid", actor.process != nullptr ? json::value(actor.process->pid()) : json::value()},
        {"state", running ? "running" : "ended"},
        {"how", running ? json::value() : json::value(actor.process ? actor.process->how() : "")},
        {"why", why.empty() ? json::value() : json::value(why)},
        {"busy", actor.process != nullptr ? actor.process->busy() : 0},
        {"started", actor.process != nullptr && actor.process->started()}});
  }
  return all;
}

// The machine that the scene wants; empty: there is no such scene.
json::object Stage::machine_of(std::string_view scene) const {
  if (scene == kFreePlay) {
    const auto& here = view_.description();
    return {{"clock", here.clock}, {"rows", here.rows}, {"columns", here.columns}};
  }
  const json::object* found = library_.find(scene);
  return found != nullptr ? found->at("machine").as_object() : json::object{};
}

void Stage::begin(const Asker& asker, std::string_view scene,
                  const std::optional<std::string>& clock) {
  if (state_ == State::kLeaving) return audience_.problem("nicsim is being started anew", asker);
  const json::object machine = machine_of(scene);
  if (machine.empty()) {
    return audience_.problem("there is no scene \"" + std::string(scene.substr(0, 40)) + "\"",
                             asker);
  }
  const WantedMachine wanted{machine.at("rows").to_number<std::uint32_t>(),
                             machine.at("columns").to_number<std::uint32_t>(),
                             clock.value_or(std::string(machine.at("clock").as_string())),
                             std::string(scene)};
  const auto& here = view_.description();
  if (wanted.clock != here.clock || wanted.rows != here.rows || wanted.columns != here.columns) {
    return change_machine(asker, wanted);
  }
  clear();
  scene_ = scene;
  beginner_ = asker;
  state_ = State::kClearing;
  view_.pace().full();
  view_.clear_faults();
  view_.keep_trace_on();
  look_at_actors();
}

void Stage::change_machine(const Asker& asker, const WantedMachine& wanted) {
  if (state_ == State::kLeaving) return audience_.problem("nicsim is being started anew", asker);
  const auto& models = view_.description().models;
  if (wanted.clock != "real" &&
      std::find(models.begin(), models.end(), wanted.clock) == models.end()) {
    return audience_.problem("there is no clock \"" + wanted.clock.substr(0, 40) + "\"", asker);
  }
  clear();
  state_ = State::kLeaving;
  view_.restart(wanted);
}

// Ends what is under way, and the processes.
void Stage::clear() {
  begun_ = {};
  if (setup_ != nullptr) setup_->abandon();
  setup_.reset();
  if (step_) end_step({"another scene has been begun"}, false);
  initiation_.clear();
  for (auto& [name, actor] : actors_) {
    if (actor.process != nullptr) actor.process->kill();
  }
}

// After each change of an actor: who waits for the end of one, and the scene that waits for the end
// of all.
void Stage::look_at_actors() {
  audience_.actors_changed();
  boost::asio::post(context_, guarded([this] { actors_have_changed(); }));
}

void Stage::actors_have_changed() {
  bool all_ended = true;
  std::vector<std::pair<Answered, std::string>> told;
  for (auto& [name, actor] : actors_) {
    if (actor.process != nullptr && actor.process->running()) {
      all_ended = false;
      continue;
    }
    const std::string how = actor.process != nullptr ? actor.process->how() : "";
    for (Answered& watcher : actor.death_watchers) told.emplace_back(std::move(watcher), how);
    actor.death_watchers.clear();
    if (actor.told_why || actor.process == nullptr || actor.process->why().empty()) continue;
    actor.told_why = true;
    audience_.problem(name + " could not attach: " + actor.process->why(), {});
  }
  for (auto& [watcher, how] : told) watcher({{"ok", true}, {"how", how}});
  if (state_ == State::kClearing && all_ended) start_scene();
}

// Something has thrown that nobody has thought of. What was under way ends; the lab goes on.
void Stage::failed(const std::string& what) {
  const std::string sentence = "the lab has failed: " + what;
  if (step_) return end_step({sentence}, false);
  if (state_ == State::kSettingUp) {
    if (setup_ != nullptr) setup_->abandon();
    return has_begun(sentence);
  }
  audience_.problem(sentence, {});
}

void Stage::start_scene() {
  state_ = State::kSettingUp;
  actors_.clear();
  order_.clear();
  plays_.clear();
  const json::object* found = library_.find(scene_);
  const json::object scene = found != nullptr ? *found : json::object{};
  if (std::string problem = start_actors(scene); !problem.empty()) return has_begun(problem);
  set_up(scene);
}

std::string Stage::start_actors(const json::object& scene) {
  const auto add = [&](const std::string& name, std::uint32_t node) {
    const auto number = static_cast<std::uint32_t>(order_.size());
    order_.push_back(name);
    Actor& actor = actors_[name];
    actor.identity = {name, node, number, view_.description().socket};
    return start_actor(actor);
  };
  std::string problem;
  if (scene_ == kFreePlay) {
    // Whatever the machine: a process on each node.
    for (std::uint32_t node = 0; node < view_.description().nodes() && problem.empty(); ++node) {
      problem = add("node-" + std::to_string(node), node);
    }
    return problem;
  }
  for (const json::value& one : scene.at("actors").as_array()) {
    problem =
        add(std::string(one.at("name").as_string()), one.at("node").to_number<std::uint32_t>());
    if (!problem.empty()) break;
  }
  return problem;
}

std::string Stage::start_actor(Actor& actor) {
  auto started = ActorProcess::start(context_, actor_program_, actor.identity,
                                     guarded([this] { look_at_actors(); }));
  if (auto* problem = std::get_if<std::string>(&started)) return *problem;
  actor.process = std::get<std::shared_ptr<ActorProcess>>(started);
  actor.told_why = false;
  audience_.actors_changed();
  return "";
}

void Stage::set_up(const json::object& scene) {
  std::vector<json::object> commands;
  if (const json::value* setup = scene_ == kFreePlay ? nullptr : scene.if_contains("setup")) {
    for (const json::value& one : setup->as_array()) commands.push_back(one.as_object());
  }
  CommandRun::Hooks hooks{
      .perform = [this](const json::object& command, Answered answered,
                        Begun begun) { perform(command, std::move(answered), std::move(begun)); },
      .answered =
          [this](std::size_t number, const json::object& answer) {
            tell_answer({}, nullptr, number, setup_->commands()[number], answer);
          },
      .done =
          [this] {
            for (const json::object& answer : setup_->answers()) {
              const json::value* ok = answer.if_contains("ok");
              if (ok != nullptr && *ok == true) continue;
              const json::value* why = answer.if_contains("sentence");
              return has_begun(why != nullptr && why->is_string() ? std::string(why->get_string())
                                                                  : "the set-up has failed");
            }
            has_begun("");
          }};
  setup_ = std::make_shared<CommandRun>(std::move(commands), std::move(hooks));
  setup_->advance();
}

void Stage::has_begun(const std::string& problem) {
  state_ = State::kReady;
  setup_.reset();
  begun_ = {{"type", "begun"}, {"scene", scene_}, {"ok", problem.empty()}};
  if (!problem.empty()) begun_["sentence"] = problem;
  audience_.catch_up();
  audience_.tell(begun_, beginner_);
}

void Stage::step(const Asker& asker, std::size_t index, const json::object& parameters) {
  if (std::string problem = problem_unless_ready(); !problem.empty()) {
    return audience_.problem(problem, asker);
  }
  static const json::array kNone;
  const json::object* scene = library_.find(scene_);
  const json::array& steps = scene != nullptr ? scene->at("steps").as_array() : kNone;
  if (index >= steps.size()) return audience_.problem("the scene has no such step", asker);
  const json::object& step = steps[index].as_object();
  const json::value* declared = step.if_contains("parameters");
  const auto chosen =
      choose_parameters(declared != nullptr ? declared->as_array() : kNone, parameters);
  if (const auto* problem = std::get_if<std::string>(&chosen)) {
    return audience_.problem(*problem, asker);
  }
  const auto& values = std::get<json::object>(chosen);
  std::vector<json::object> commands;
  for (const json::value& one : step.at("commands").as_array()) {
    commands.push_back(substitute(one, values).as_object());
  }
  const json::value* expect = step.if_contains("expect");
  CommandRun::Hooks hooks{
      .perform = [this](const json::object& command, Answered answered,
                        Begun begun) { perform(command, std::move(answered), std::move(begun)); },
      .answered =
          [this](std::size_t number, const json::object& answer) {
            tell_answer(step_->asker, step_->index, number, step_->run->commands()[number], answer);
          },
      .done = guarded([this] { finish_step(); })};
  step_ = Step{asker,
               index,
               values,
               expect != nullptr ? substitute(*expect, values).as_array() : json::array{},
               view_.snapshot(),
               std::make_shared<CommandRun>(std::move(commands), std::move(hooks))};
  const auto run = step_->run;
  run->advance();
}

Outcome Stage::outcome() const {
  Outcome outcome{step_->before, view_.snapshot(), step_->run->answers(), {}};
  for (const auto& [name, actor] : actors_) {
    const bool running = actor.process != nullptr && actor.process->running();
    outcome.actors[name] = {actor.identity.node, actor.identity.process,
                            running ? "running" : "ended"};
  }
  return outcome;
}

void Stage::finish_step() {
  const Outcome result = outcome();
  std::vector<std::string> failed = unmet_expectations(step_->expect, result);
  bool ok = failed.empty() || !has_own_clock();
  // Who was killed was to end.
  for (const json::object& answer : result.answers) {
    const json::value* asked_for = answer.if_contains("asked_for");
    if (!answer.contains("ended") || asked_for == nullptr || *asked_for != false) continue;
    const json::value* sentence = answer.if_contains("sentence");
    failed.push_back(sentence != nullptr && sentence->is_string()
                         ? std::string(sentence->get_string())
                         : "an actor has ended");
    ok = false;
  }
  end_step(failed, ok);
}

// What is expected of figures is of the clock that the scene was written for.
bool Stage::has_own_clock() const {
  return machine_of(scene_).at("clock").as_string() == view_.description().clock;
}

void Stage::end_step(const std::vector<std::string>& failed, bool ok) {
  const Step step = std::move(*step_);
  step_.reset();
  step.run->abandon();
  audience_.catch_up();
  json::object message{{"type", "step_done"},          {"scene", scene_},
                       {"step", step.index},           {"parameters", step.parameters},
                       {"own_clock", has_own_clock()}, {"ok", ok}};
  message["failed"] = json::array(failed.begin(), failed.end());
  audience_.tell(std::move(message), step.asker);
}

}  // namespace vmmc::lab
