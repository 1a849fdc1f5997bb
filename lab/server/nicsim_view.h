// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The real machine, as the lab sees it.
//
// Threads: nicsim's one thread.
#pragma once

#include <functional>

#include "lab/server/machine_view.h"
#include "nicsim/inspect/snapshot.h"

namespace vmmc::lab {

class NicsimView final : public MachineView {
 public:
  // `restart` ends nicsim soon and starts it anew as wanted. Switches the trace on, as the page shows what
  // it records. `observed` outlives the view.
  NicsimView(const nicsim::Observed& observed, std::function<void(const WantedMachine&)> restart);

  const Description& description() const override { return description_; }
  boost::json::object snapshot() override { return nicsim::take_snapshot(observed_); }
  std::uint64_t records_written() const override;
  const wire::TraceRecord* record(std::uint64_t n) const override;
  std::optional<PageBytes> read_page(const LookedAt& page) const override;
  nicsim::Pace& pace() override;
  bool add_fault(const nicsim::FaultPlan::Fault& fault) override;
  void clear_faults() override { observed_.instruments.faults.clear(); }
  void keep_trace_on() override;
  void restart(const WantedMachine& wanted) override { restart_(wanted); }

 private:
  const nicsim::Observed& observed_;
  const std::function<void(const WantedMachine&)> restart_;
  Description description_;
};

}  // namespace vmmc::lab
