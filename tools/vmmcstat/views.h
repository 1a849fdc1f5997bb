// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What people see of a snapshot, as lines of text.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace vmmc::stat {

enum class View : std::uint8_t {
  kOverview,
  kProcesses,
  kExports,
  kImports,
  kBindings,
  kChannels,
  kPages,
  kErrors,
  kRings,
  kLatencies,
};

struct ViewName {
  View view;
  char key;  // that chooses it
  const char* name;
  const char* help;
};

inline constexpr ViewName kViews[] = {
    {View::kOverview, 'o', "overview", "Processes and errors (the default)"},
    {View::kProcesses, 'p', "processes", "What each process has sent, received and waits for"},
    {View::kExports, 'x', "exports", "Exported buffers: who may import them, who does"},
    {View::kImports, 'i', "imports", "Imports, and those that wait for their export"},
    {View::kBindings, 'b', "bindings", "Bindings of automatic update"},
    {View::kChannels, 'c', "channels", "Real-time channels: budgets, datagrams, latencies"},
    {View::kPages, 'g', "pages", "The page tables, as runs"},
    {View::kErrors, 'e', "errors", "What was refused, to whom and why"},
    {View::kRings, 'f', "rings", "Receive rings: each consumer's blocks, frames and drops"},
    {View::kLatencies, 'l', "latencies", "How long operations take: percentiles and histograms"},
};

// `rates`: see rates.h; nullptr: not known.
std::vector<std::string> draw(View view, const boost::json::object& snapshot,
                              const boost::json::object* rates);

// The first lines of every view.
std::vector<std::string> draw_header(const boost::json::object& snapshot);

// Cut to so many lines and columns; where lines are left out the last one says how many. 0: no limit.
std::vector<std::string> fit(std::vector<std::string> lines, std::size_t rows, std::size_t columns);

}  // namespace vmmc::stat
