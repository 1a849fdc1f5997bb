// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmcrun/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "nicsim/wire/version.h"
#include "tools/vmmcrun/exit_code.h"

namespace vmmc::run {
namespace {

constexpr std::uint32_t kMaxProcesses = 65536;
constexpr std::uint32_t kMaxNodes = 4096;  // as nicsim

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

// "N" or "RxC": the number of nodes.
std::optional<std::uint32_t> parse_nodes(std::string_view text) {
  const std::size_t cross = text.find('x');
  const auto rows = parse_number(text.substr(0, cross));
  const auto columns = cross == text.npos ? 1 : parse_number(text.substr(cross + 1));
  if (!rows || !columns) return std::nullopt;
  const std::uint64_t nodes = std::uint64_t{*rows} * *columns;
  if (nodes > kMaxNodes) return std::nullopt;
  return static_cast<std::uint32_t>(nodes);
}

EarlyExit usage_error(const std::string& what) {
  return {kExitUsage, "vmmcrun: " + what + "\nTry 'vmmcrun --help'.\n"};
}

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: vmmcrun -n PROCESSES [OPTIONS] PROGRAM [ARGUMENT...]\n";
  }
};

std::string version_text() {
  return "vmmcrun " VMMC_VERSION_STRING ", wire version " + std::to_string(wire::kVersion) + "\n";
}

// What the options say, once CLI11 has cut the command line into pieces.
std::variant<Options, EarlyExit> check(Options options, const std::string& processes) {
  const auto number = parse_number(processes);
  if (!number || *number > kMaxProcesses) {
    return usage_error("-n " + processes + ": not a number of processes from 1 to " +
                       std::to_string(kMaxProcesses));
  }
  options.processes = *number;
  const auto nodes = parse_nodes(options.nodes_text);
  if (!nodes) {
    return usage_error("--nodes " + options.nodes_text + ": neither N nor RxC, from 1 to " +
                       std::to_string(kMaxNodes) + " nodes");
  }
  options.nodes = *nodes;
  auto& command = options.command;
  if (!command.empty() && command.front() == "--") {
    command.erase(command.begin());
  } else if (!command.empty() && command.front().starts_with('-')) {
    return usage_error("unknown option " + command.front());
  }
  if (command.empty() || command.front().empty()) return usage_error("no program to run");
  return options;
}

// Simulated time is the business of a nicsim of the job's own.
void add_model(CLI::App& app, Options& options, CLI::Option& socket) {
  auto* model = app.add_option("--model", options.model,
                               "Simulated time, by this timing model of nicsim (nicsim "
                               "--list-models)");
  model->option_text("NAME")->excludes(&socket);
  app.add_option("--param", options.parameters,
                 "With --model: a parameter of the model; may be repeated")
      ->option_text("KEY=VALUE")
      ->allow_extra_args(false)
      ->excludes(&socket);
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  Options options;
  std::string processes;
  bool version = false;
  CLI::App app("Starts a parallel program on this host.");
  app.formatter(std::make_shared<HelpFormatter>());
  app.prefix_command();
  auto* count = app.add_option("-n", processes, "Number of processes")->option_text("PROCESSES");
  app.add_option("--nodes", options.nodes_text,
                 "Emulated nodes, as a number or as rows x columns; default 4")
      ->option_text("N|RxC");
  auto* socket = app.add_option("--socket", options.socket,
                                "Use the nicsim at this socket instead of a new one; --nodes must "
                                "say how many nodes it has")
                     ->option_text("NAME");
  auto* nicsim = app.add_option("--nicsim", options.nicsim, "The nicsim to start");
  nicsim->option_text("PATH")->excludes(socket);
  add_model(app, options, *socket);
  auto* record = app.add_option("--record", options.record,
                                "The job's nicsim records every operation to this file");
  record->option_text("FILE")->excludes(socket);
  app.add_flag("--prefix", options.prefix, "Begin every line of output with [rank]");
  app.add_flag("--version", version, "Print the version and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, app.help()};
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (version) return EarlyExit{0, version_text()};
  if (count->empty()) return usage_error("-n is required");
  if (!socket->empty() && options.socket.empty()) return usage_error("--socket: an empty name");
  if (!record->empty() && options.record.empty()) return usage_error("--record: an empty name");
  if (!options.parameters.empty() && options.model.empty()) {
    return usage_error("--param needs --model");
  }
  options.command = app.remaining();
  return check(std::move(options), processes);
}

}  // namespace vmmc::run
