// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/web/web_options.h"

#include <CLI/CLI.hpp>

namespace vmmc::nicsim::web {
namespace {

constexpr std::uint32_t kMostLabNodes = 16;

std::string name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "warning";
}

}  // namespace

void add_web_options(CLI::App& app, WebOptions& options) {
  app.add_option("--http", options.port,
                 "Serve OpenMetrics at http://127.0.0.1:PORT/metrics; 0: any port that is free")
      ->option_text("PORT");
  app.add_option("--http-address", options.address,
                 "Serve HTTP there, not on the loopback interface only: others may then look in")
      ->capture_default_str();
  app.add_option("--http-fd", options.listener,
                 "Serve HTTP on this descriptor, a TCP socket that listens already")
      ->check(CLI::Range(3, 1 << 20));
  app.add_flag("--lab", options.lab,
               "Serve the lab's page, too; the address with its token is printed");
  app.add_option("--lab-scene", options.scene, "Begin this scene of the lab")->option_text("ID");
}

std::string problem_of(const WebOptions& web, const Options& options) {
  if (web.port && web.listener >= 0) return "--http and --http-fd are one too many";
  if (web.lab && !web.wanted()) return "--lab needs --http PORT (0: any port that is free)";
  if (!web.port && web.address != "127.0.0.1") return "--http-address needs --http PORT";
  if (web.lab && options.shape.nodes() > kMostLabNodes) return "--lab shows at most 16 nodes";
  if (!web.scene.empty() && !web.lab) return "--lab-scene needs --lab";
  if (web.lab && !options.record.empty()) {
    return "--lab starts nicsim anew for some scenes: it does not go with --record";
  }
  if (web.lab && !options.trace.empty()) {
    return "--lab starts nicsim anew for some scenes: it does not go with --trace";
  }
  if (web.lab && options.leave_with_last_client) {
    return "--lab stays when no process is attached: it does not go with --leave-with-last-client";
  }
  if (web.lab && !options.foreground) return "--lab needs --foreground";
  return "";
}

std::vector<std::string> restart_arguments(const Options& options, const Restart& restart) {
  std::vector<std::string> arguments{
      "--foreground", "--lab",
      "--socket",     options.socket,
      "--log",        name_of(options.log_level),
      "--users",      options.any_user ? "any" : "own",
      "--nodes",      std::to_string(restart.rows) + "x" + std::to_string(restart.columns),
      "--http-fd",    std::to_string(restart.listener),
      "--lab-scene",  restart.scene};
  if (restart.clock != "real") {
    arguments.push_back("--model");
    arguments.push_back(restart.clock);
  }
  return arguments;
}

}  // namespace vmmc::nicsim::web
