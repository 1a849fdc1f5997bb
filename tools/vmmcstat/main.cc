// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// vmmcstat: looks inside a nicsim. See README.md.
#include <boost/json/serialize.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <thread>

#include "nicsim/inspect/open_metrics.h"
#include "tools/vmmcstat/nicsim_connection.h"
#include "tools/vmmcstat/options.h"
#include "tools/vmmcstat/rates.h"
#include "tools/vmmcstat/screen.h"
#include "tools/vmmcstat/trace_saver.h"
#include "tools/vmmcstat/watch.h"

namespace {

using namespace vmmc::stat;
using boost::json::object;
using Outcome = std::optional<Failure>;  // nothing: it went well

Outcome print(const std::string& text) {
  const bool done = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  return done ? Outcome() : Failure{kExitFailure, "cannot write to standard output"};
}

// A snapshot, and, with an interval, what happened up to it.
struct Seen {
  object snapshot;
  std::optional<object> rates;
};

Outcome look(NicsimConnection& nicsim, const Options& options, Seen& seen) {
  std::optional<object> before;
  if (options.interval) {
    auto first = nicsim.snapshot();
    if (auto* failure = std::get_if<Failure>(&first)) return std::move(*failure);
    before = std::move(std::get<object>(first));
    std::this_thread::sleep_for(*options.interval);
  }
  auto last = nicsim.snapshot();
  if (auto* failure = std::get_if<Failure>(&last)) return std::move(*failure);
  seen.snapshot = std::move(std::get<object>(last));
  if (before) seen.rates = rates_of(*before, seen.snapshot);
  return {};
}

Outcome show_once(NicsimConnection& nicsim, const Options& options) {
  Seen seen;
  if (auto failure = look(nicsim, options, seen)) return failure;
  if (options.action == Action::kJson) {
    if (seen.rates) seen.snapshot["rates"] = *seen.rates;
    return print(boost::json::serialize(seen.snapshot) + "\n");
  }
  if (options.action == Action::kOpenMetrics) {
    return print(vmmc::nicsim::to_open_metrics(seen.snapshot));
  }
  std::string text;
  for (const std::string& line : draw_header(seen.snapshot)) text += line + "\n";
  text += "\n";
  const object* const rates = seen.rates ? &*seen.rates : nullptr;
  for (const std::string& line : draw(options.view, seen.snapshot, rates)) text += line + "\n";
  return print(text);
}

Outcome save(NicsimConnection& nicsim, TraceFile& file) {
  auto ring = nicsim.read_trace();
  if (auto* failure = std::get_if<Failure>(&ring)) return std::move(*failure);
  auto outcome = save_trace(std::get<vmmc::platform::FileDescriptor>(ring).get(), file);
  if (auto* failure = std::get_if<Failure>(&outcome)) return std::move(*failure);
  const SavedTrace& saved = std::get<SavedTrace>(outcome);
  std::string text = std::to_string(saved.records) + " records saved to " + file.name();
  if (saved.overwritten > 0) {
    text += "; " + std::to_string(saved.overwritten) + " older ones had been overwritten";
  }
  if (saved.lost > 0) {
    text += "; " + std::to_string(saved.lost) + " were overwritten while they were copied";
  }
  return print(text + "\n");
}

// The file comes first: a trace that cannot be saved goes on.
Outcome stop_or_save(NicsimConnection& nicsim, const Options& options) {
  std::optional<TraceFile> file;
  if (!options.file.empty()) {
    auto opened = TraceFile::open(options.file, options.overwrite);
    if (auto* failure = std::get_if<Failure>(&opened)) return std::move(*failure);
    file.emplace(std::move(std::get<TraceFile>(opened)));
  }
  if (options.action == Action::kStopTrace) {
    auto stopped = nicsim.stop_trace();
    if (auto* failure = std::get_if<Failure>(&stopped)) return std::move(*failure);
  }
  return file ? save(nicsim, *file) : Outcome();
}

Outcome start_trace(NicsimConnection& nicsim, const Options& options) {
  auto started = nicsim.start_trace(options.records);
  if (auto* failure = std::get_if<Failure>(&started)) return std::move(*failure);
  return {};
}

Outcome run(const Options& options) {
  auto connected = NicsimConnection::connect(options.socket);
  if (auto* failure = std::get_if<Failure>(&connected)) return std::move(*failure);
  auto& nicsim = std::get<NicsimConnection>(connected);
  switch (options.action) {
    case Action::kStartTrace:
      return start_trace(nicsim, options);
    case Action::kStopTrace:
    case Action::kSaveTrace:
      return stop_or_save(nicsim, options);
    case Action::kWatch:
      if (Screen::is_there()) return watch(nicsim, options);
      return show_once(nicsim, options);
    default:
      return show_once(nicsim, options);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const auto parsed = parse_options(argc, argv);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
    std::fputs(early->text.c_str(), early->exit_code == 0 ? stdout : stderr);
    return early->exit_code;
  }
  try {
    const Outcome outcome = run(std::get<Options>(parsed));
    if (!outcome) return 0;
    std::fprintf(stderr, "vmmcstat: %s\n", outcome->what.c_str());
    return outcome->exit_code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vmmcstat: %s\n", error.what());
    return kExitFailure;
  }
}
