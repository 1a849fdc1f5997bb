// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/fault_plan.h"

namespace vmmc::nicsim {
namespace {

bool matches(std::uint32_t wanted, std::uint32_t node) {
  return wanted == FaultPlan::kAnyNode || wanted == node;
}

}  // namespace

bool FaultPlan::add(const Fault& fault) {
  if (faults_.size() >= kMostFaults) return false;
  faults_.push_back(fault);
  refresh();
  return true;
}

void FaultPlan::clear() {
  faults_.clear();
  refresh();
}

void FaultPlan::refresh() const {
  if (attention_ != nullptr) attention_->want(Attention::Of::kFaults, !faults_.empty());
}

std::optional<FaultPlan::Fault> FaultPlan::strike(std::uint32_t from, std::uint32_t to) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!matches(fault->from, from) || !matches(fault->to, to)) continue;
    if (fault->skip > 0) {
      --fault->skip;
      continue;
    }
    const Fault struck = *fault;
    faults_.erase(fault);
    refresh();
    switch (struck.action) {
      case Action::kDrop:
        ++counters_.dropped;
        break;
      case Action::kCorrupt:
        ++counters_.corrupted;
        break;
      case Action::kDelay:
        ++counters_.delayed;
        break;
    }
    return struck;
  }
  return std::nullopt;
}

}  // namespace vmmc::nicsim
