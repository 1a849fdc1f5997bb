// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>

#include "nicsim/model_options.h"
#include "nicsim/trace/trace.h"
#include "nicsim/wire/version.h"

namespace vmmc::nicsim {
namespace {

constexpr std::uint32_t kMaxNodes = 4096;

// 0 if it is no number from 1 to the limit.
std::uint32_t parse_count(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= kMaxNodes ? value : 0;
}

Shape most_square(std::uint32_t nodes) {
  std::uint32_t rows = 1;
  for (std::uint32_t divisor = 2; divisor * divisor <= nodes; ++divisor) {
    if (nodes % divisor == 0) rows = divisor;
  }
  return {rows, nodes / rows};
}

void add_options(CLI::App& app, Options& options, std::string& nodes, std::string& users) {
  app.add_option("--socket", options.socket,
                 "Where clients attach: a path, or @NAME for the abstract namespace")
      ->capture_default_str();
  app.add_option("--nodes", nodes, "Number of nodes, or rows x columns of a mesh: N or RxC")
      ->check([](const std::string& text) {
        return parse_shape(text) ? std::string()
                                 : "'" + text + "' is not N or RxC with 1 to 4096 nodes";
      })
      ->capture_default_str();
  app.add_option("--record", options.record,
                 "Record every operation to this file, which is new or empty: see ./run simulate")
      ->option_text("FILE");
  app.add_flag("--record-overwrite", options.record_overwrite,
               "With --record: replace what the file holds");
  app.add_option("--trace", options.trace,
                 "Trace every step of every transfer to this file, which is new or empty")
      ->option_text("FILE");
  app.add_option(
         "--trace-records", options.trace_records,
         "With --trace: how many records the file keeps, the last ones; 131072 if not given")
      ->check(CLI::Range(Trace::kLeastRecords, Trace::kMostRecords))
      ->option_text("N");
  app.add_flag("--trace-overwrite", options.trace_overwrite,
               "With --trace: replace what the file holds");
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
}

void add_real_time_options(CLI::App& app, real_time::AdmissionLimits& limits) {
  app.add_option("--real-time-packet-ns", limits.packet_ns,
                 "Real-time channels are admitted as if a packet of any kind took so long")
      ->check(CLI::Range(std::uint64_t{1}, real_time::kMostPacketNs))
      ->capture_default_str();
  app.add_option("--real-time-share", limits.share,
                 "Thousandths of the network interface that real-time channels may reserve")
      ->check(CLI::Range(0u, real_time::kMostShare))
      ->capture_default_str();
  app.add_option("--real-time-memory", limits.memory,
                 "Bytes that real-time channels may reserve, all together")
      ->check(CLI::Range(std::uint64_t{0}, real_time::kMostMemory))
      ->capture_default_str();
  app.add_option("--real-time-channels", limits.channels,
                 "How many real-time channels there may be")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
}

// nullptr: none.
const char* problem_of_recording(const Options& options, bool asked) {
  if (asked && options.record.empty()) return "--record needs the name of a file";
  if (!asked && options.record_overwrite) return "--record-overwrite needs --record FILE";
  if (asked && options.model) return "--record records real time: it does not go with --model";
  return nullptr;
}

// The same.
const char* problem_of_trace(const Options& options, bool asked) {
  if (asked && options.trace.empty()) return "--trace needs the name of a file";
  if (!asked && options.trace_overwrite) return "--trace-overwrite needs --trace FILE";
  if (!asked && options.trace_records != 0) return "--trace-records needs --trace FILE";
  if (asked && options.trace == options.record) return "--trace and --record name the same file";
  return nullptr;
}

}  // namespace

std::string default_socket() { return "@vmmc-" + std::to_string(::getuid()); }

std::optional<Shape> parse_shape(const std::string& text) {
  const std::size_t cross = text.find('x');
  if (cross == std::string::npos) {
    const std::uint32_t nodes = parse_count(text);
    return nodes > 0 ? std::optional(most_square(nodes)) : std::nullopt;
  }
  const Shape shape{parse_count(std::string_view(text).substr(0, cross)),
                    parse_count(std::string_view(text).substr(cross + 1))};
  return shape.nodes() > 0 && shape.nodes() <= kMaxNodes ? std::optional(shape) : std::nullopt;
}

std::variant<Options, int> parse_options(int argc, char** argv,
                                         const std::function<void(CLI::App&)>& add_more) {
  Options options;
  options.socket = default_socket();
  std::string nodes = "4";
  std::string users = "own";
  CLI::App app{"nicsim: the SHRIMP network interfaces of the nodes of one host, in software"};
  app.set_version_flag("--version", "nicsim " VMMC_VERSION_STRING ", wire version " +
                                        std::to_string(wire::kVersion));
  add_options(app, options, nodes, users);
  add_real_time_options(app, options.real_time);
  ModelOptions model(app);
  if (add_more) add_more(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  options.shape = *parse_shape(nodes);
  options.any_user = users == "any";
  if (const std::optional<int> status = model.apply(options)) return *status;
  const char* problem = problem_of_recording(options, app.count("--record") > 0);
  if (problem == nullptr) problem = problem_of_trace(options, app.count("--trace") > 0);
  if (problem != nullptr) {
    std::cerr << "nicsim: " << problem << '\n';
    return 2;
  }
  return options;
}

}  // namespace vmmc::nicsim
