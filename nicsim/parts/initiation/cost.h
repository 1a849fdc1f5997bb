// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// What an initiation costs the processor, in ns: the numbers of the mechanism times the parameters of a
// timing model.
#pragma once

#include "nicsim/model/parameters.h"
#include "nicsim/parts/initiation/mechanisms.h"

namespace vmmc::nicsim::parts::initiation {

// For each operation of however many transfers.
constexpr double system_calls_ns(const MechanismInfo& mechanism, const model::TimingModel& model) {
  return mechanism.system_calls * model.processor.system_call_ns;
}

// For each transfer.
constexpr double references_ns(const MechanismInfo& mechanism, const model::TimingModel& model) {
  const model::DeliberateUpdateEngineParameters& engine = model.deliberate_update_engine;
  return mechanism.stores * engine.store_ns + mechanism.loads * engine.load_ns +
         mechanism.barriers * engine.barrier_ns;
}

}  // namespace vmmc::nicsim::parts::initiation
