// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/web_options.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vmmc::nicsim::web {
namespace {

TEST_CASE("which options go together") {
  Options foreground;
  foreground.foreground = true;
  CHECK(problem_of({}, {}) == "");
  CHECK(problem_of({.port = 0}, {}) == "");
  CHECK(problem_of({.port = 0, .lab = true, .scene = "map"}, foreground) == "");
  CHECK(problem_of({.listener = 5, .lab = true}, foreground) == "");
  CHECK(problem_of({.port = 0, .listener = 5}, {}) != "");
  CHECK(problem_of({.address = "0.0.0.0"}, {}) != "");
  CHECK(problem_of({.lab = true}, foreground) != "");
  CHECK(problem_of({.port = 0, .lab = true}, {}) != "");
  CHECK(problem_of({.port = 0, .scene = "map"}, foreground) != "");
  Options other = foreground;
  other.record = "file";
  CHECK(problem_of({.port = 0, .lab = true}, other) != "");
  other = foreground;
  other.trace = "file";
  CHECK(problem_of({.port = 0, .lab = true}, other) != "");
  CHECK(problem_of({.port = 0}, other) == "");
  other = foreground;
  other.shape = {5, 4};
  CHECK(problem_of({.port = 0, .lab = true}, other) != "");
  other = foreground;
  other.leave_with_last_client = true;
  CHECK(problem_of({.port = 0, .lab = true}, other) != "");
}

// What nicsim starts itself with is what it understands.
TEST_CASE("the command line of a nicsim that starts itself anew") {
  Options options;
  options.socket = "@some-socket";
  options.log_level = LogLevel::kDebug;
  std::vector<std::string> arguments =
      restart_arguments(options, {2, 3, "shrimp-2", "deliberate-update", 7});
  arguments.insert(arguments.begin(), "nicsim");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  WebOptions web;
  const auto parsed = parse_options(static_cast<int>(pointers.size()), pointers.data(),
                                    [&web](CLI::App& app) { add_web_options(app, web); });
  REQUIRE(std::holds_alternative<Options>(parsed));
  const auto& again = std::get<Options>(parsed);
  CHECK(problem_of(web, again) == "");
  CHECK(again.socket == "@some-socket");
  CHECK(again.shape.rows == 2);
  CHECK(again.shape.columns == 3);
  CHECK(again.model_name == "shrimp-2");
  CHECK(again.log_level == LogLevel::kDebug);
  CHECK(again.foreground);
  CHECK(web.listener == 7);
  CHECK(web.lab);
  CHECK(web.scene == "deliberate-update");
  // Real time has no model.
  const auto real = restart_arguments(options, {1, 1, "real", "free-play", 7});
  CHECK(std::find(real.begin(), real.end(), "--model") == real.end());
}

}  // namespace
}  // namespace vmmc::nicsim::web
