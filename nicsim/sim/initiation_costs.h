// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What each way to initiate a transfer costs under a timing model, beside what was published.
//
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nicsim/model/parameters.h"
#include "nicsim/parts/initiation/mechanisms.h"

namespace vmmc::nicsim::sim {

// HPCA97 node16, of the platform that the model turbochannel stands for.
struct PublishedInitiation {
  std::string_view text;  // in us
  double least_us;        // what counts as the same
  double most_us;
};

struct InitiationCost {
  const parts::initiation::MechanismInfo* mechanism;
  double us;  // of an operation of one transfer: system calls, references, barriers
  std::optional<PublishedInitiation> published;
};

// In the order of the table of mechanisms.
std::vector<InitiationCost> initiation_costs(const model::TimingModel& model);

// A line for each mechanism, below a title and a head.
std::string to_table(const std::vector<InitiationCost>& costs, const std::string& model_name);

}  // namespace vmmc::nicsim::sim
