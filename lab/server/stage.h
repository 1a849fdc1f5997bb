// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The stage: the scene that has been begun, its processes, and the step that is being carried out. There
// is one, whoever looks on.
//
//   empty --begin--> clearing --all have ended--> setting up --done--> ready <--> a step
//
// A begin() is taken at any time and ends what is under way; of several, the last one counts. Steps, and
// commands of free play, are taken only when the stage is ready and no step is under way; commands of free
// play may be under way next to each other.
//
// Threads: nicsim's one thread. Nothing waits for a process, but the destructor for those that it kills.
//
// What a crash at any instruction leaves behind: nothing; see actor_process.h.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lab/server/actor_process.h"
#include "lab/server/command_run.h"
#include "lab/server/expectations.h"
#include "lab/server/initiation.h"
#include "lab/server/machine_view.h"
#include "lab/server/scene_library.h"
#include "nicsim/web/guarded.h"

namespace vmmc::lab {

// Who asked for something: a page and the number that it gave.
struct Asker {
  std::uint64_t page = 0;  // 0: nobody
  std::optional<std::int64_t> request;
  auto operator<=>(const Asker&) const = default;
};

// Who is told.
class Audience {
 public:
  virtual ~Audience() = default;
  // To all pages. The one that asked finds its number in `request`, others null.
  virtual void tell(boost::json::object message, const Asker& asker) = 0;
  // To the one that asked, or to all if nobody did.
  virtual void problem(const std::string& sentence, const Asker& asker) = 0;
  virtual void actors_changed() = 0;
  // Something has been finished: what is to be seen of it goes out before the message that says so.
  virtual void catch_up() = 0;
};

class Stage {
 public:
  // All that is referred to outlives the stage. `actor_program`: a path.
  Stage(boost::asio::io_context& context, MachineView& view, const SceneLibrary& library,
        Audience& audience, std::string actor_program);
  ~Stage();  // ends the processes

  // Without `clock` the scene's own.
  void begin(const Asker& asker, std::string_view scene, const std::optional<std::string>& clock);
  void step(const Asker& asker, std::size_t index, const boost::json::object& parameters);
  void play(const Asker& asker, const std::string& actor, const boost::json::object& command);
  void kill(const Asker& asker, const std::string& actor);
  void restart(const Asker& asker, const std::string& actor);
  void change_machine(const Asker& asker, const WantedMachine& wanted);

  boost::json::value scene() const;   // the id of the one that was begun, or null
  boost::json::array actors() const;  // as in the message `actors`
  const boost::json::object& begun() const {
    return begun_;
  }  // the last message; empty: none holds

 private:
  // `work`, to be called by whoever calls it as long as the stage is there; it may throw.
  template <typename Work>
  auto guarded(Work work) {
    return nicsim::web::guarded(
        [alive = std::weak_ptr<int>(alive_), work = std::move(work)](auto&&... arguments) mutable {
          if (!alive.expired()) work(std::forward<decltype(arguments)>(arguments)...);
        },
        [this, alive = std::weak_ptr<int>(alive_)](const std::string& what) {
          if (!alive.expired()) failed(what);
        });
  }

  using Answered = ActorProcess::Answered;
  using Begun = ActorProcess::Begun;
  struct Actor {
    ActorProcess::Identity identity;
    std::shared_ptr<ActorProcess> process;
    std::vector<Answered> death_watchers;
    bool told_why = false;
  };
  struct Step {
    Asker asker;
    std::size_t index;
    boost::json::object parameters;
    boost::json::array expect;
    boost::json::object before;
    std::shared_ptr<CommandRun> run;
  };
  enum class State { kEmpty, kClearing, kSettingUp, kReady, kLeaving };

  void clear();
  void look_at_actors();
  void start_scene();
  std::string start_actors(const boost::json::object& scene);
  std::string start_actor(Actor& actor);
  void set_up(const boost::json::object& scene);
  void has_begun(const std::string& problem);
  void actors_have_changed();
  void failed(const std::string& what);
  bool has_own_clock() const;
  // `ok`: nothing but figures of another clock may have failed.
  void end_step(const std::vector<std::string>& failed, bool ok);
  void finish_step();
  Outcome outcome() const;
  boost::json::object machine_of(std::string_view scene) const;

  std::string problem_unless_ready() const;
  Actor* find_actor(const std::string& name);
  void perform(const boost::json::object& command, Answered answered, Begun begun);
  void perform_unguarded(const boost::json::object& command, Answered answered, Begun begun);
  void perform_on_stage(const std::string& verb, const boost::json::object& command,
                        Answered answered);
  void perform_reference(const boost::json::object& command, Answered answered);
  void give(Actor& actor, boost::json::object command, Answered answered, Begun begun);
  std::string resolve_peers(boost::json::object& command);
  std::string kill_actor(const std::string& name, Answered answered);
  std::string restart_actor(const std::string& name);
  void answer_later(boost::json::object answer, Answered answered);
  void tell_answer(const Asker& asker, boost::json::value step, std::size_t number,
                   const boost::json::object& command, const boost::json::object& answer);

  boost::asio::io_context& context_;
  MachineView& view_;
  const SceneLibrary& library_;
  Audience& audience_;
  const std::string actor_program_;
  State state_ = State::kEmpty;
  std::string scene_;
  Asker beginner_;
  boost::json::object begun_;
  std::map<std::string, Actor> actors_;
  std::vector<std::string> order_;  // of the actors
  std::shared_ptr<CommandRun> setup_;
  std::optional<Step> step_;
  std::set<Asker> plays_;  // under way
  Initiation initiation_;
  // What is still in the context when the stage ends finds this gone.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace vmmc::lab
