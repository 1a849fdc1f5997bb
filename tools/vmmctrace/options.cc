// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/options.h"

#include <CLI/CLI.hpp>

#include "nicsim/wire/trace_record.h"
#include "tools/vmmctrace/exit_code.h"

namespace vmmc::trace_tool {
namespace {

struct Format {
  const char* name;
  const char* what;
  void (*write)(const TraceFile& trace, Sink& sink);
  bool binary;
};

constexpr Format kFormats[] = {
    {"info", "What is in a trace, and what is lost", write_info, false},
    {"text", "One line for each record", write_text, false},
    {"perfetto", "Chrome trace event JSON, for ui.perfetto.dev", write_perfetto, false},
    {"pcapng", "The packets, for Wireshark", write_pcapng, true},
    {"csv", "One line for each record, for tables", write_csv, false},
    {"run", "A run for the lab's page", write_run, false},
};

EarlyExit usage_error(const std::string& what) {
  return {kExitUsage, "vmmctrace: " + what + "\nTry 'vmmctrace --help'.\n"};
}

void add_format(CLI::App& app, const Format& format, Options& options) {
  CLI::App* command = app.add_subcommand(format.name, format.what);
  command->add_option("FILE", options.input, "The trace")->required();
  command->add_option("-o,--output", options.output, "Write to this file; -: standard output")
      ->option_text("OUT");
  command->add_flag("--overwrite", options.overwrite, "Even if OUT exists and is not empty");
  command->callback([&options, &format] {
    options.write = format.write;
    options.binary = format.binary;
  });
}

std::string version_text() {
  return "vmmctrace " VMMC_VERSION_STRING ", trace version " + std::to_string(wire::kTraceVersion) +
         "\n";
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
  Options options;
  bool version = false;
  CLI::App app("Reads a trace of nicsim and makes other formats of it.", "vmmctrace");
  app.add_flag("--version", version, "Print the version and exit");
  app.require_subcommand(0, 1);
  for (const Format& format : kFormats) add_format(app, format, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, app.help()};
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (version) return EarlyExit{0, version_text()};
  if (options.write == nullptr) return usage_error("what is to be made of the trace?");
  if (options.input.empty()) return usage_error("FILE: an empty name");
  if (options.output.empty()) return usage_error("--output: an empty name");
  return options;
}

}  // namespace vmmc::trace_tool
