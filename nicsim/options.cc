// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "nicsim/wire/version.h"

namespace vmmc::nicsim {
namespace {

constexpr std::uint32_t kMaxNodes = 4096;

std::uint32_t parse_count(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= kMaxNodes ? value : 0;
}

}  // namespace

std::string default_socket() { return "@vmmc-" + std::to_string(::getuid()); }

std::uint32_t parse_nodes(const std::string& text) {
  const std::size_t cross = text.find('x');
  if (cross == std::string::npos) return parse_count(text);
  const std::uint32_t rows = parse_count(std::string_view(text).substr(0, cross));
  const std::uint32_t columns = parse_count(std::string_view(text).substr(cross + 1));
  return rows * columns <= kMaxNodes ? rows * columns : 0;
}

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  options.socket = default_socket();
  std::string nodes = "4";
  std::string users = "own";
  CLI::App app{"nicsim: the SHRIMP network interfaces of the nodes of one host, in software"};
  app.set_version_flag("--version", "nicsim " VMMC_VERSION_STRING ", wire version " +
                                        std::to_string(wire::kVersion));
  app.add_option("--socket", options.socket,
                 "Where clients attach: a path, or @NAME for the abstract namespace")
      ->capture_default_str();
  app.add_option("--nodes", nodes, "Number of nodes, or rows x columns of a mesh: N or RxC")
      ->check([](const std::string& text) {
        return parse_nodes(text) > 0 ? std::string()
                                     : "'" + text + "' is not N or RxC with 1 to 4096 nodes";
      })
      ->capture_default_str();
  app.add_flag("--foreground", options.foreground,
               "Stay in the foreground and log to stderr, not to the system log");
  app.add_option("--log", options.log_level, "What to log: error, warning, info or debug")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, LogLevel>{{"error", LogLevel::kError},
                                                                  {"warning", LogLevel::kWarning},
                                                                  {"info", LogLevel::kInfo},
                                                                  {"debug", LogLevel::kDebug}}));
  app.add_option("--users", users, "Whom to serve: own (the user who runs nicsim) or any")
      ->check(CLI::IsMember({"own", "any"}))
      ->capture_default_str();
  app.add_flag("--leave-with-last-client", options.leave_with_last_client,
               "End when the last client has left");
  app.add_option("--ready-fd", options.ready_fd,
                 "Write one byte to this descriptor when clients can attach, then close it");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  options.nodes = parse_nodes(nodes);
  options.any_user = users == "any";
  return options;
}

}  // namespace vmmc::nicsim
