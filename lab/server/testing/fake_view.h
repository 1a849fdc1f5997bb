// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// A machine that is none: a snapshot, records and pages as the test puts them there.
//
// Threads: the server's, but for what the test does before it runs.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <stdexcept>

#include "lab/server/machine_view.h"

namespace vmmc::lab::testing {

class FakeView final : public MachineView {
 public:
  static constexpr std::uint32_t kImpossible = 999;  // skips of a fault that throws

  const Description& description() const override { return description_; }
  boost::json::object snapshot() override {
    if (fails) throw std::runtime_error("no snapshot");
    boost::json::object copy = state;
    copy["nicsim"] = boost::json::object{{"time_ns", ++time_}};
    return copy;
  }
  std::uint64_t records_written() const override { return first_ + records_.size(); }
  const wire::TraceRecord* record(std::uint64_t n) const override {
    return n >= first_ && n < records_written() ? &records_[n - first_] : nullptr;
  }
  std::optional<PageBytes> read_page(const LookedAt& page) const override {
    if (page != LookedAt{0, 0, 1, 0}) return std::nullopt;
    return bytes;
  }
  nicsim::Pace& pace() override { return pace_; }
  bool add_fault(const nicsim::FaultPlan::Fault& fault) override {
    if (fault.skip == kImpossible) throw std::runtime_error("impossible");
    return faults.add(fault);
  }
  void clear_faults() override { faults.clear(); }
  void keep_trace_on() override { traces = true; }
  void restart(const WantedMachine& machine) override { wanted = machine; }

  // An operation of so many records; the ring holds `capacity`.
  void happen(std::uint64_t operation, int count, std::size_t capacity = 1 << 17) {
    for (int i = 0; i < count; ++i) {
      wire::TraceRecord& record = records_.emplace_back();
      record.sequence.store(records_written());
      record.operation = operation;
      record.event = i == 0 ? wire::TraceEvent::kTaken : wire::TraceEvent::kPacketMade;
      record.kind = 1;
    }
    while (records_.size() > capacity) {
      records_.pop_front();
      ++first_;
    }
  }

  boost::json::object state{{"exports", boost::json::array{}}};
  nicsim::FaultPlan faults;
  bool traces = false;
  bool fails = false;  // to take a snapshot
  std::optional<WantedMachine> wanted;
  PageBytes bytes{};

 private:
  Description description_{1, 2, "real", {"shrimp-2"}, "@nobody"};
  std::uint64_t time_ = 0;
  std::uint64_t first_ = 0;
  std::deque<wire::TraceRecord> records_;
  nicsim::Pace pace_;
};

}  // namespace vmmc::lab::testing
