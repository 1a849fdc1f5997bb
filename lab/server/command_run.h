// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The commands of a step, or of a scene's set-up, one after the other: each after the last one's answer, or,
// if that is only started, after it has begun.
//
// Threads: one.
//
// Invariants: each command is performed at most once and answered at most once; `done` is called once, when
// all have been answered, unless the run is abandoned.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vmmc::lab {

class CommandRun : public std::enable_shared_from_this<CommandRun> {
 public:
  using Answered = std::function<void(boost::json::object answer)>;
  using Begun = std::function<void()>;
  struct Hooks {
    // Carries the command out and calls `answered`, later; before it `begun`, if it was to be started only
    // and makes sense.
    std::function<void(const boost::json::object& command, Answered answered, Begun begun)> perform;
    std::function<void(std::size_t number, const boost::json::object& answer)> answered;
    std::function<void()> done;
  };

  CommandRun(std::vector<boost::json::object> commands, Hooks hooks)
      : commands_(std::move(commands)), hooks_(std::move(hooks)), answers_(commands_.size()) {}

  // To be called once. `done` may come at once, if there is nothing to do.
  void advance();
  // Nothing is called any more.
  void abandon() { over_ = true; }

  const std::vector<boost::json::object>& commands() const { return commands_; }
  // By the command's number; empty: not yet.
  const std::vector<boost::json::object>& answers() const { return answers_; }

 private:
  bool start_next();
  void has_begun(std::size_t number);
  void take_answer(std::size_t number, boost::json::object answer);

  const std::vector<boost::json::object> commands_;
  const Hooks hooks_;
  std::vector<boost::json::object> answers_;
  std::map<std::string, int> under_way_;  // by actor
  std::size_t outstanding_ = 0;
  std::size_t next_ = 0;
  std::size_t awaited_ = SIZE_MAX;  // the command that the next one waits for
  bool over_ = false;
};

}  // namespace vmmc::lab
