// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The questions of the design-choices study: what becomes of times when the machine is changed. And the
// curves behind the figures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/figures/figures.h"
#include "bench/figures/measures.h"
#include "bench/figures/plot.h"

namespace vmmc::figures {

struct Change {
  std::string name;
  std::string recalled;    // what the study is remembered to have found
  std::string impossible;  // why the model with this change would not be consistent; or empty
};

struct Comparison {
  std::vector<std::string> programs;
  std::vector<double> unchanged_us;  // each of these may be not finite
  std::vector<Change> changes;
  std::vector<std::vector<double>> percent;  // more time, by change and program; NaN if impossible
};

Comparison compare_designs(const Inputs& inputs);
BarPlot bars_of(const Comparison& comparison);

// An outgoing FIFO of that capacity, with thresholds that are the same parts of it as before.
void set_fifo_capacity(TimingModel& model, double bytes);

// A program's time for each x that `apply` gives the model, relative to the model's own: 100. Left out: an x
// with which the model would not be consistent.
Line relative_times(const std::string& name, const TimingModel& model,
                    const std::function<double(const TimingModel&)>& us,
                    const std::vector<double>& xs,
                    const std::function<void(TimingModel&, double)>& apply);

// Latency and bandwidth by size, speedup by nodes, and times by a parameter; with the file name of each.
std::vector<std::pair<std::string, LinePlot>> curves(const Inputs& inputs);

}  // namespace vmmc::figures
