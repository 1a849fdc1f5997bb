// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/command_run.h"

#include <boost/json/value.hpp>

namespace vmmc::lab {
namespace {

namespace json = boost::json;

std::string actor_of(const json::object& command) {
  const json::value* actor = command.if_contains("actor");
  return actor != nullptr && actor->is_string() ? std::string(actor->get_string()) : std::string();
}

}  // namespace

void CommandRun::advance() {
  const auto self = shared_from_this();  // `done` may drop the last other reference
  while (!over_ && awaited_ == SIZE_MAX && next_ < commands_.size() && start_next()) {
  }
  if (over_ || outstanding_ > 0 || next_ < commands_.size()) return;
  over_ = true;
  hooks_.done();
}

// False: it has to wait.
bool CommandRun::start_next() {
  const std::size_t number = next_;
  const json::object& command = commands_[number];
  if (command.at("do").as_string() == "await") {
    if (under_way_[actor_of(command)] > 0) return false;
    ++next_;
    answers_[number] = {{"ok", true}};
    hooks_.answered(number, answers_[number]);
    return true;
  }
  ++next_;
  ++outstanding_;
  ++under_way_[actor_of(command)];
  awaited_ = number;
  hooks_.perform(
      command,
      [weak = weak_from_this(), number](json::object answer) {
        if (const auto self = weak.lock()) self->take_answer(number, std::move(answer));
      },
      [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) self->has_begun(number);
      });
  return true;
}

void CommandRun::has_begun(std::size_t number) {
  if (over_ || awaited_ != number) return;
  awaited_ = SIZE_MAX;
  advance();
}

void CommandRun::take_answer(std::size_t number, json::object answer) {
  if (over_) return;
  --outstanding_;
  --under_way_[actor_of(commands_[number])];
  if (awaited_ == number) awaited_ = SIZE_MAX;
  answers_[number] = std::move(answer);
  hooks_.answered(number, answers_[number]);
  advance();
}

}  // namespace vmmc::lab
