// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The shipped scenes (lab/scenes/README.md), read and checked once, so that whoever carries one out finds
// what it needs.
//
// Threads: any, after construction.
//
// Invariants
//   Of every scene that is here: `id`, `title` are texts; `machine` has a clock, rows and columns, 1 to
//   16 nodes; `actors`, `setup` and `steps` are arrays; actors have different names and nodes of the
//   machine; every command, with any values of its parameters, is one of lab/server/command_table.h for
//   one of the actors.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace vmmc::lab {

struct SceneText {
  std::string_view name;  // the file's
  std::string_view text;
};

// Those of lab/scenes, in the order of their names.
const std::vector<SceneText>& shipped_scenes();

inline constexpr std::uint32_t kMostNodes = 16;
inline constexpr std::string_view kFreePlay = "free-play";

class SceneLibrary {
 public:
  explicit SceneLibrary(const std::vector<SceneText>& texts);

  // As the files say, in their order.
  const boost::json::array& all() const { return scenes_; }
  // nullptr: there is none with this id.
  const boost::json::object* find(std::string_view id) const;

  // A sentence for each file that is no scene; it is left out.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  boost::json::array scenes_;
  std::vector<std::string> problems_;
};

}  // namespace vmmc::lab
