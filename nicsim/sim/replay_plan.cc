// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "nicsim/sim/replay_plan.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "nicsim/wire/version.h"

namespace vmmc::nicsim::sim {
namespace {

using recording::Record;
using recording::RecordKind;
using Kind = ReplayStep::Kind;

parts::OperationKind kind_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::kAutomaticUpdate:
      return parts::OperationKind::kAutomaticUpdate;
    case RecordKind::kFetch:
      return parts::OperationKind::kFetch;
    case RecordKind::kAtomic:
      return parts::OperationKind::kAtomic;
    case RecordKind::kFlush:
      return parts::OperationKind::kFlush;
    default:
      return parts::OperationKind::kDeliberateUpdate;
  }
}

parts::Combining combining_of(const Record& record) {
  if ((record.flags & recording::kCombinesTimer) != 0) return parts::Combining::kTimerWrite;
  return (record.flags & recording::kCombinesBlock) != 0 ? parts::Combining::kBlockWrite
                                                         : parts::Combining::kSingleWrite;
}

class Planner {
 public:
  ReplayPlan plan(const recording::Recording& recording) {
    for (const Record& record : recording.records) add(record);
    const std::uint64_t end = recording.records.empty() ? 0 : recording.records.back().time;
    for (std::size_t i = 0; i < plan_.processes.size(); ++i) {
      if (!states_[i].left) plan_.processes[i].left_at = end;
    }
    return std::move(plan_);
  }

 private:
  // What is known of a process while its records are read.
  struct State {
    bool left = false;
    std::map<std::uint32_t, std::uint32_t> buffers;  // by id: indices of those it exports now
    std::map<std::uint32_t, std::size_t> flows;      // by thread
    std::size_t flow = 0;                            // of the last mark
    std::vector<std::uint64_t> tickets;              // of its operations
    std::deque<std::uint64_t> notices;               // operations that notify it
  };
  using Pages = std::map<std::uint64_t, std::vector<std::uint64_t>>;  // who touched each

  void add(const Record& record) {
    if (record.kind == RecordKind::kAttach) return attach(record);
    if (recording::is_mark(record.kind)) return add_mark(record);
    if (recording::is_operation(record.kind)) return add_operation(record);
    State& state = states_[record.process];
    switch (record.kind) {
      case RecordKind::kExport:
        state.buffers[record.buffer] = static_cast<std::uint32_t>(plan_.buffers.size());
        step(record.process, Kind::kExport, plan_.buffers.size());
        plan_.buffers.push_back(
            {record.process, record.length, (record.flags & recording::kNotifies) != 0});
        touched_.emplace_back();
        break;
      case RecordKind::kUnexport:
        state.buffers.erase(record.buffer);
        break;
      case RecordKind::kImport:
        step(record.process, Kind::kImport, states_[record.peer].buffers.at(record.buffer));
        break;
      case RecordKind::kLeave:
        state.left = true;
        plan_.processes[record.process].left_at = record.time;
        break;
      default:
        break;
    }
  }

  void attach(const Record& record) {
    ReplayProcess process;
    process.node = record.peer;
    process.id = record.buffer;
    process.attached_at = record.time;
    process.flows.emplace_back();
    plan_.processes.push_back(std::move(process));
    states_.emplace_back();
  }

  void step(std::uint32_t process, Kind kind, std::uint64_t argument) {
    plan_.processes[process].flows[states_[process].flow].push_back({kind, argument});
  }

  // The first thread that is heard of does what was done before.
  void choose_flow(const Record& record) {
    State& state = states_[record.process];
    ReplayProcess& process = plan_.processes[record.process];
    const auto [flow, is_new] = state.flows.emplace(record.thread, state.flows.size());
    if (is_new && flow->second >= process.flows.size()) process.flows.emplace_back();
    state.flow = flow->second;
  }

  void add_mark(const Record& record) {
    choose_flow(record);
    if (record.length > 0) step(record.process, Kind::kWork, record.length);
    switch (record.kind) {
      case RecordKind::kWork:
        plan_.lost_marks += record.value;
        return;
      case RecordKind::kWaitForWord:
        return add_wait(record, Kind::kAwaitDelivery, last_toucher(record));
      case RecordKind::kWaitForNotification:
      case RecordKind::kHandlerBegins:
        return add_wait(record, Kind::kAwaitNotice, next_notice(record));
      case RecordKind::kWaitForCompletion:
        return step(record.process, Kind::kAwaitCompletion, operations_before(record));
      case RecordKind::kWaitForSources:
        return step(record.process, Kind::kAwaitSources, operations_before(record));
      default:
        return;
    }
  }

  void add_wait(const Record& record, Kind kind, std::optional<std::uint64_t> operation) {
    constexpr std::uint64_t kNanosecondsPerMicrosecond = 1000;
    if ((record.flags & recording::kTimedOut) != 0) {
      step(record.process, Kind::kSleep, record.slot * kNanosecondsPerMicrosecond);
    } else if (operation) {
      step(record.process, kind, *operation);
    } else {
      ++plan_.waits_without_transfer;
    }
  }

  std::optional<std::uint64_t> last_toucher(const Record& record) const {
    const bool timed_out = (record.flags & recording::kTimedOut) != 0;
    if (timed_out || (record.flags & recording::kNoBuffer) != 0) return std::nullopt;
    const Pages& pages = touched_[states_[record.process].buffers.at(record.buffer)];
    const auto page = pages.find(record.offset / wire::kPageSize);
    if (page == pages.end()) return std::nullopt;
    for (auto index = page->second.rbegin(); index != page->second.rend(); ++index) {
      const ReplayOperation& operation = plan_.operations[*index];
      if (operation.offset < record.offset + record.width &&
          record.offset < operation.offset + operation.length) {
        return *index;
      }
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> next_notice(const Record& record) {
    std::deque<std::uint64_t>& notices = states_[record.process].notices;
    if ((record.flags & recording::kTimedOut) != 0 || notices.empty()) return std::nullopt;
    const std::uint64_t first = notices.front();
    notices.pop_front();
    return first;
  }

  std::uint64_t operations_before(const Record& record) const {
    const std::vector<std::uint64_t>& tickets = states_[record.process].tickets;
    return static_cast<std::uint64_t>(
        std::lower_bound(tickets.begin(), tickets.end(), record.offset) - tickets.begin());
  }

  void add_operation(const Record& record) {
    ReplayOperation operation{kind_of(record.kind), combining_of(record), false, record.process, 0,
                              record.offset,        record.length};
    if (operation.kind == parts::OperationKind::kFlush) return begin(record, operation);
    operation.buffer = states_[record.peer].buffers.at(record.buffer);
    const std::uint64_t end = record.offset + record.length;
    // The hardware takes the stores of one page at a time.
    while (operation.kind == parts::OperationKind::kAutomaticUpdate && operation.offset < end) {
      const std::uint64_t in_page = wire::kPageSize - operation.offset % wire::kPageSize;
      if (in_page >= end - operation.offset) break;
      operation.length = in_page;
      begin(record, operation);
      operation.offset += in_page;
    }
    operation.length = end - operation.offset;
    operation.notify =
        recording::is_update(record.kind) && (record.flags & recording::kNotify) != 0;
    begin(record, operation);
  }

  void begin(const Record& record, const ReplayOperation& operation) {
    const std::uint64_t index = plan_.operations.size();
    plan_.operations.push_back(operation);
    plan_.processes[record.process].operations.push_back(index);
    states_[record.process].tickets.push_back(record.ticket);
    step(record.process, Kind::kBegin, index);
    if (operation.kind == parts::OperationKind::kFlush ||
        operation.kind == parts::OperationKind::kFetch) {
      return;
    }
    const ReplayBuffer& buffer = plan_.buffers[operation.buffer];
    if (operation.notify && buffer.notifies) states_[buffer.owner].notices.push_back(index);
    const std::uint64_t last = (operation.offset + operation.length - 1) / wire::kPageSize;
    for (std::uint64_t page = operation.offset / wire::kPageSize; page <= last; ++page) {
      touched_[operation.buffer][page].push_back(index);
    }
  }

  ReplayPlan plan_;
  std::vector<State> states_;   // of the processes
  std::vector<Pages> touched_;  // of the buffers
};

}  // namespace

ReplayPlan plan_replay(const recording::Recording& recording) { return Planner().plan(recording); }

}  // namespace vmmc::nicsim::sim
