// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What the stage does with a single command.

#include <boost/asio/post.hpp>
#include <boost/json/value.hpp>

#include "lab/server/command_table.h"
#include "lab/server/machine_controls.h"
#include "lab/server/stage.h"

namespace vmmc::lab {

namespace json = boost::json;

namespace {

json::object refusal(const std::string& sentence) {
  return {{"ok", false}, {"sentence", sentence}};
}

json::object outcome_of(const std::string& problem) {
  return problem.empty() ? json::object{{"ok", true}} : refusal(problem);
}

std::string text_in(const json::object& command, std::string_view key) {
  const json::value* value = command.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

std::string Stage::problem_unless_ready() const {
  switch (state_) {
    case State::kEmpty:
      return "no scene has been begun";
    case State::kLeaving:
      return "nicsim is being started anew";
    case State::kClearing:
    case State::kSettingUp:
      return "the scene is being begun";
    case State::kReady:
      return step_ ? "a step is being carried out" : "";
  }
  return "";
}

Stage::Actor* Stage::find_actor(const std::string& name) {
  const auto found = actors_.find(name);
  return found != actors_.end() ? &found->second : nullptr;
}

void Stage::play(const Asker& asker, const std::string& actor, const json::object& command) {
  std::string problem = problem_unless_ready();
  if (problem.empty() && find_actor(actor) == nullptr) problem = "there is no such actor";
  if (problem.empty()) problem = problem_of_actor_command(command);
  if (problem.empty() && plays_.count(asker) > 0) {
    problem = "a request with this number is under way";
  }
  if (!problem.empty()) return audience_.problem(problem, asker);
  plays_.insert(asker);
  json::object whole = command;
  whole["actor"] = actor;
  perform(
      whole,
      [this, asker, whole](const json::object& answer) {
        plays_.erase(asker);
        tell_answer(asker, nullptr, 0, whole, answer);
      },
      nullptr);
}

void Stage::kill(const Asker& asker, const std::string& actor) {
  const std::string problem = kill_actor(actor, [](const json::object&) {});
  if (!problem.empty()) audience_.problem(problem, asker);
}

void Stage::restart(const Asker& asker, const std::string& actor) {
  std::string problem = problem_unless_ready();
  if (problem.empty()) problem = restart_actor(actor);
  if (!problem.empty()) audience_.problem(problem, asker);
}

std::string Stage::kill_actor(const std::string& name, Answered answered) {
  Actor* actor = find_actor(name);
  if (actor == nullptr) return "there is no such actor";
  if (actor->process == nullptr || !actor->process->running()) return name + " has ended already";
  actor->death_watchers.push_back(std::move(answered));
  actor->process->kill();
  return "";
}

std::string Stage::restart_actor(const std::string& name) {
  Actor* actor = find_actor(name);
  if (actor == nullptr) return "there is no such actor";
  if (actor->process != nullptr && actor->process->running()) return name + " runs";
  return start_actor(*actor);
}

// Answers come later, always: whoever asks need not expect them during the call.
void Stage::answer_later(json::object answer, Answered answered) {
  boost::asio::post(context_, guarded([answer = std::move(answer), answered = std::move(answered)] {
                      answered(answer);
                    }));
}

// A command that fails in a way that nobody has thought of is answered with what went wrong.
void Stage::perform(const json::object& command, Answered answered, Begun begun) {
  nicsim::web::guard([&] { perform_unguarded(command, answered, begun); },
                     [&](const std::string& what) { answer_later(refusal(what), answered); });
}

void Stage::perform_unguarded(const json::object& command, Answered answered, Begun begun) {
  const std::string verb = text_in(command, "do");
  if (is_stage_command(command)) {
    return perform_on_stage(verb, command, std::move(answered));
  }
  const std::string name = text_in(command, "actor");
  Actor* actor = find_actor(name);
  if (actor == nullptr) return answer_later(refusal("there is no such actor"), std::move(answered));
  give(*actor, command, std::move(answered), std::move(begun));
}

void Stage::give(Actor& actor, json::object command, Answered answered, Begun begun) {
  command.erase("actor");
  if (std::string problem = resolve_peers(command); !problem.empty()) {
    return answer_later(refusal(problem), std::move(answered));
  }
  Begun guarded_begun;
  if (begun != nullptr) guarded_begun = guarded(begun);
  if (actor.process != nullptr &&
      actor.process->command(command, guarded(answered), std::move(guarded_begun))) {
    return;
  }
  const bool running = actor.process != nullptr && actor.process->running();
  answer_later(refusal(actor.identity.name + (running ? " has too much to do" : " does not run")),
               std::move(answered));
}

// In the place of an actor's name, where to find it.
std::string Stage::resolve_peers(json::object& command) {
  for (const std::string_view key : {"from", "for"}) {
    const std::string name = text_in(command, key);
    if (name.empty()) continue;
    const Actor* peer = find_actor(name);
    if (peer == nullptr) return "there is no actor \"" + name + "\"";
    command[key] = {{"node", peer->identity.node}, {"process", peer->identity.process}};
  }
  return "";
}

void Stage::perform_on_stage(const std::string& verb, const json::object& command,
                             Answered answered) {
  const std::string actor = text_in(command, "actor");
  if (verb == "reference") return perform_reference(command, std::move(answered));
  std::string problem;
  if (verb == "kill") {
    problem = kill_actor(actor, answered);
    if (problem.empty()) return;
  } else if (verb == "restart") {
    problem = restart_actor(actor);
  } else if (verb == "fault") {
    problem = apply_fault(view_, command);
  } else if (verb == "pace") {
    problem = apply_pace(view_, command);
  } else if (verb == "context_switch") {
    const json::value* invalidate = command.if_contains("invalidate");
    initiation_.context_switch(invalidate == nullptr || *invalidate != false);
  }
  answer_later(outcome_of(problem), std::move(answered));
}

void Stage::perform_reference(const json::object& command, Answered answered) {
  const Actor* actor = find_actor(text_in(command, "actor"));
  if (actor == nullptr) return answer_later(refusal("there is no such actor"), std::move(answered));
  const std::uint32_t node = actor->identity.node;
  Initiation::Result result = initiation_.refer(actor->identity.name, node, command);
  Actor* sender = result.transfer ? find_actor(result.transfer->actor) : nullptr;
  if (sender == nullptr) return answer_later(std::move(result.answer), std::move(answered));
  give(
      *sender, result.transfer->send,
      [this, node, reference = std::move(result.answer),
       answered = std::move(answered)](json::object sent) mutable {
        initiation_.finished(node);
        // The reference has succeeded; what has become of the transfer stands beside it.
        reference["transfer"] = std::move(sent);
        answered(std::move(reference));
      },
      nullptr);
}

void Stage::tell_answer(const Asker& asker, json::value step, std::size_t number,
                        const json::object& command, const json::object& answer) {
  audience_.tell({{"type", "answer"},
                  {"step", std::move(step)},
                  {"number", number},
                  {"command", command},
                  {"answer", answer}},
                 asker);
}

}  // namespace vmmc::lab
