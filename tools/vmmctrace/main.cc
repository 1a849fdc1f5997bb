// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// vmmctrace: makes other formats of a trace. See README.md.
#include <unistd.h>

#include <cstdio>
#include <new>

#include "tools/vmmctrace/options.h"

namespace {

using namespace vmmc::trace_tool;

int fail(const Failure& failure) {
  std::fprintf(stderr, "vmmctrace: %s\n", failure.what.c_str());
  return failure.exit_code;
}

int convert(const Options& options) {
  if (options.binary && options.output == "-" && ::isatty(STDOUT_FILENO) != 0) {
    return fail({kExitUsage, "this format is not for a terminal; use -o"});
  }
  const auto read = TraceFile::read(options.input);
  if (const auto* failure = std::get_if<Failure>(&read)) return fail(*failure);
  const auto& trace = std::get<TraceFile>(read);
  auto opened = Sink::open(options.output, options.input, options.overwrite);
  if (const auto* failure = std::get_if<Failure>(&opened)) return fail(*failure);
  auto& sink = std::get<Sink>(opened);
  options.write(trace, sink);
  if (const auto failure = sink.close()) return fail(*failure);
  if (options.write != write_info) {
    for (const std::string& loss : losses(trace)) {
      std::fprintf(stderr, "vmmctrace: %s: %s\n", options.input.c_str(), loss.c_str());
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto parsed = parse_options(argc, argv);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
    std::fputs(early->text.c_str(), early->exit_code == 0 ? stdout : stderr);
    return early->exit_code;
  }
  return convert(std::get<Options>(parsed));
} catch (const std::bad_alloc&) {
  return fail({kExitUnreadable, "not enough memory for this trace"});
}
