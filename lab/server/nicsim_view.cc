// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/nicsim_view.h"

#include <algorithm>
#include <cstring>

#include "nicsim/log.h"
#include "nicsim/model/model_file.h"

namespace vmmc::lab {
namespace {

std::vector<std::string> clocks(const std::string& in_use) {
  std::vector<std::string> names;
  for (const auto& model : nicsim::model::built_in_models()) names.emplace_back(model.name);
  const bool known = std::find(names.begin(), names.end(), in_use) != names.end();
  if (!known && in_use != nicsim::model::kNoModel) names.push_back(in_use);
  return names;
}

}  // namespace

NicsimView::NicsimView(const nicsim::Observed& observed,
                       std::function<void(const WantedMachine&)> restart)
    : observed_(observed),
      restart_(std::move(restart)),
      description_{.rows = observed.rows,
                   .columns = observed.columns,
                   .clock = observed.model == nicsim::model::kNoModel ? "real" : observed.model,
                   .models = clocks(observed.model),
                   .socket = observed.socket} {
  keep_trace_on();
}

void NicsimView::keep_trace_on() {
  if (observed_.instruments.trace.on()) return;
  if (observed_.machine.start_trace(nicsim::Trace::kDefaultRecords) != wire::Status::kOk) {
    nicsim::log(nicsim::LogLevel::kError, "no memory for the trace: the lab shows no packets");
  }
}

std::uint64_t NicsimView::records_written() const { return observed_.instruments.trace.written(); }

const wire::TraceRecord* NicsimView::record(std::uint64_t n) const {
  return observed_.instruments.trace.find(n);
}

std::optional<PageBytes> NicsimView::read_page(const LookedAt& page) const {
  for (const auto& process : observed_.machine.processes()) {
    if (process->node != page.node || process->id != page.process) continue;
    const auto found = process->segments.find(page.segment);
    if (found == process->segments.end() || page.page >= found->second->pages())
      return std::nullopt;
    // Its process may be storing there: word by word, so that no word is torn.
    using Word = std::uint64_t;
    const auto* words =
        reinterpret_cast<Word*>(found->second->data() + page.page * wire::kPageSize);
    PageBytes bytes;
    for (std::size_t i = 0; i < bytes.size() / sizeof(Word); ++i) {
      const Word word = __atomic_load_n(words + i, __ATOMIC_RELAXED);
      std::memcpy(bytes.data() + i * sizeof(Word), &word, sizeof(Word));
    }
    return bytes;
  }
  return std::nullopt;
}

nicsim::Pace& NicsimView::pace() { return observed_.instruments.pace; }

bool NicsimView::add_fault(const nicsim::FaultPlan::Fault& fault) {
  return observed_.instruments.faults.add(fault);
}

}  // namespace vmmc::lab
