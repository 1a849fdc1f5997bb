// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "tools/vmmcstat/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>

#include "nicsim/wire/version.h"
#include "tools/vmmcstat/exit_code.h"

namespace vmmc::stat {
namespace {

constexpr double kShortestInterval = 0.01;  // s
constexpr double kLongestInterval = 86400;
constexpr std::uint64_t kMostRecords = std::uint64_t{1} << 24;  // as nicsim

std::string default_socket() {
  const char* const socket = std::getenv("VMMC_SOCKET");
  if (socket != nullptr && *socket != '\0') return socket;
  return "@vmmc-" + std::to_string(::getuid());
}

EarlyExit usage_error(const std::string& what) {
  return {kExitUsage, "vmmcstat: " + what + "\nTry 'vmmcstat --help'.\n"};
}

struct Given {
  Options options;
  double interval = 0;
  bool once = false;
  bool json = false;
  bool open_metrics = false;
  bool version = false;
};

struct CommandLine {
  CLI::App app{"Looks inside a nicsim while everything runs, reading only."};
  CLI::Option* interval = nullptr;
  CLI::App* trace = nullptr;
  CLI::App* start = nullptr;
  CLI::App* stop = nullptr;
  CLI::App* save = nullptr;
};

void add_general(CommandLine& line, Given& given) {
  CLI::App& app = line.app;
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.add_option(
         "--socket", given.options.socket,
         "The nicsim to look at: a path, or @name; default $VMMC_SOCKET, else the user's own")
      ->option_text("NAME");
  line.interval = app.add_option("--interval", given.interval,
                                 "Seconds between two looks; default 1. With --json: look twice, "
                                 "and give rates")
                      ->option_text("SECONDS")
                      ->check(CLI::Range(kShortestInterval, kLongestInterval));
  auto* once = app.add_flag("--once", given.once, "Print one plain picture and exit");
  auto* json = app.add_flag("--json", given.json, "Print the snapshot as JSON and exit");
  auto* metrics = app.add_flag("--openmetrics", given.open_metrics,
                               "Print the counters as OpenMetrics text and exit");
  once->excludes(json)->excludes(metrics);
  json->excludes(metrics);
  app.add_flag("--version", given.version, "Print the version and exit");
}

void add_views(CommandLine& line, Given& given) {
  for (const ViewName& each : kViews) {
    CLI::App* const command = line.app.add_subcommand(each.name, each.help);
    command->callback([&given, view = each.view] { given.options.view = view; });
  }
}

void add_trace(CommandLine& line, Given& given) {
  line.trace = line.app.add_subcommand("trace", "Starts, stops and saves nicsim's trace");
  line.trace->require_subcommand(1);
  line.trace->fallthrough();
  line.start = line.trace->add_subcommand("start", "Start it");
  line.start
      ->add_option("--records", given.options.records,
                   "Records to keep, rounded up to a power of two; the oldest go first")
      ->option_text("N")
      ->check(CLI::Range(std::uint64_t{1}, kMostRecords));
  line.stop = line.trace->add_subcommand("stop", "Stop it, and save it if FILE is given");
  line.stop->add_option("FILE", given.options.file, "Where to save it");
  line.save = line.trace->add_subcommand("save", "Save it; it goes on");
  line.save->add_option("FILE", given.options.file, "Where to save it")->required();
  for (CLI::App* command : {line.stop, line.save}) {
    command->add_flag("--overwrite", given.options.overwrite, "Even if FILE holds something");
  }
}

std::variant<Options, EarlyExit> check(const CommandLine& line, Given given) {
  Options& options = given.options;
  if (options.socket.empty()) return usage_error("--socket: an empty name");
  if (!line.interval->empty()) {
    if (!std::isfinite(given.interval)) return usage_error("--interval: not a number of seconds");
    options.interval = std::chrono::nanoseconds(static_cast<std::int64_t>(given.interval * 1e9));
  }
  const bool pictures = given.once || given.json || given.open_metrics;
  if (line.trace->parsed()) {
    if (pictures || options.interval) {
      return usage_error("trace goes with none of --once, --json, --openmetrics and --interval");
    }
    options.action = line.start->parsed()  ? Action::kStartTrace
                     : line.stop->parsed() ? Action::kStopTrace
                                           : Action::kSaveTrace;
    return options;
  }
  if ((given.json || given.open_metrics) && options.view != View::kOverview) {
    return usage_error("--json and --openmetrics are of everything, not of one view");
  }
  if (given.open_metrics && options.interval) {
    return usage_error("--openmetrics gives no rates: leave out --interval");
  }
  if (given.once) options.action = Action::kOnce;
  if (given.json) options.action = Action::kJson;
  if (given.open_metrics) options.action = Action::kOpenMetrics;
  return options;
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  Given given;
  given.options.socket = default_socket();
  CommandLine line;
  add_general(line, given);
  add_views(line, given);
  add_trace(line, given);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, line.app.help()};
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (given.version) {
    return EarlyExit{0, "vmmcstat " VMMC_VERSION_STRING ", wire version " +
                            std::to_string(wire::kVersion) + "\n"};
  }
  return check(line, std::move(given));
}

}  // namespace vmmc::stat
