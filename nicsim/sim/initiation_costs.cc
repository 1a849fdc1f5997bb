// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/initiation_costs.h"

#include <cstdio>

#include "nicsim/parts/initiation/cost.h"

namespace vmmc::nicsim::sim {
namespace {

using parts::initiation::Mechanism;

std::optional<PublishedInitiation> published_of(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kKernel:
      return PublishedInitiation{"about 19", 18.5, 19.5};
    case Mechanism::kExtendedShadow:
      return PublishedInitiation{"over 1", 1.0, 1.2};
    case Mechanism::kKey:
    case Mechanism::kRepeated5:
      return PublishedInitiation{"2.3 to 2.6", 2.3, 2.6};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::vector<InitiationCost> initiation_costs(const model::TimingModel& model) {
  std::vector<InitiationCost> costs;
  for (const parts::initiation::MechanismInfo& mechanism : parts::initiation::kMechanisms) {
    const double ns = system_calls_ns(mechanism, model) + references_ns(mechanism, model);
    costs.push_back({&mechanism, ns / 1000, published_of(mechanism.mechanism)});
  }
  return costs;
}

std::string to_table(const std::vector<InitiationCost>& costs, const std::string& model_name) {
  constexpr const char* kFormat = "%-28s %10s %6s %5s %8s %12s %8s %12s  %-4s %s\n";
  char line[256];
  std::snprintf(line, sizeof line, kFormat, "initiation", "references", "STOREs", "LOADs",
                "barriers", "system calls", "us", "published us", "safe", "why");
  std::string table = model_name +
                      ": one transfer, until it is initiated (published: HPCA97, of the platform "
                      "of turbochannel)\n" +
                      line;
  for (const InitiationCost& cost : costs) {
    const parts::initiation::MechanismInfo& info = *cost.mechanism;
    char us[32];
    std::snprintf(us, sizeof us, "%.2f", cost.us);
    std::snprintf(line, sizeof line, kFormat, std::string(info.name).c_str(),
                  std::to_string(info.references()).c_str(), std::to_string(info.stores).c_str(),
                  std::to_string(info.loads).c_str(), std::to_string(info.barriers).c_str(),
                  std::to_string(info.system_calls).c_str(), us,
                  cost.published ? std::string(cost.published->text).c_str() : "-",
                  info.safe ? "yes" : "no", std::string(info.why).c_str());
    table += line;
  }
  return table;
}

}  // namespace vmmc::nicsim::sim
