// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause

#include "lab/server/record_sampler.h"

#include <algorithm>

namespace vmmc::lab {
namespace {

using wire::TraceEvent;
using wire::TraceRecord;

// An operation's number, spread, so that no pattern of the operations decides who is shown.
std::uint64_t spread(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

bool begins(const TraceRecord& record) {
  return record.event == TraceEvent::kTaken || record.event == TraceEvent::kStoreSnooped;
}

// Records that belong to no operation stand for themselves; their numbers do not meet those of
// operations.
constexpr std::uint64_t kAlone = std::uint64_t{1} << 63;

std::uint64_t unit_of(const TraceRecord& record) {
  return record.operation != 0 ? record.operation
                               : kAlone | record.sequence.load(std::memory_order_relaxed);
}

}  // namespace

RecordSampler::Look RecordSampler::look(std::uint64_t written) {
  Look look;
  if (written < next_) next_ = 0;  // another trace has begun; the operations' numbers go on
  look.total = written - next_;
  gap_ = false;
  std::uint64_t first = next_;
  if (look.total > kMostLooked) first = written - kMostLooked;
  look.lost = first - next_;
  std::vector<const TraceRecord*> records;
  for (std::uint64_t n = first; n < written; ++n) {
    const TraceRecord* record = find_(n);
    if (record == nullptr) {
      ++look.lost;
    } else {
      records.push_back(record);
    }
  }
  next_ = written;
  gap_ = look.lost > 0;
  decide(records);
  for (const TraceRecord* record : records) {
    if (is_shown(*record)) look.shown.push_back(record);
  }
  forget_old();
  return look;
}

bool RecordSampler::is_shown(const TraceRecord& record) const {
  const auto found = operations_.find(unit_of(record));
  return found != operations_.end() && found->second;
}

// Those that were shown before go on; of the new ones, as many as there is room for, in an order that
// has nothing to do with what they are.
void RecordSampler::decide(const std::vector<const TraceRecord*>& records) {
  std::map<std::uint64_t, Unit> fresh;
  std::size_t room_taken = 0;
  for (const TraceRecord* record : records) {
    const std::uint64_t unit = unit_of(*record);
    if (const auto known = operations_.find(unit); known != operations_.end()) {
      if (known->second) ++room_taken;
      continue;
    }
    auto [place, added] = fresh.try_emplace(unit, Unit{spread(unit), unit, 0, false});
    // After a gap nobody knows whether an operation has begun in it.
    if (added) {
      place->second.taken = unit > forgotten_ && (!gap_ || begins(*record) || (unit & kAlone) != 0);
    }
    ++place->second.records;
  }
  std::vector<Unit> order;
  for (const auto& [unit, one] : fresh) order.push_back(one);
  std::sort(order.begin(), order.end(), [](const Unit& a, const Unit& b) { return a.key < b.key; });
  for (const Unit& one : order) {
    const std::size_t limit = room_taken == 0 ? kMostShown : room_;
    const bool shown = one.taken && room_taken + one.records <= limit;
    if (shown) room_taken += one.records;
    operations_[one.operation] = shown;
  }
  room_ = std::min(room_ - std::min(room_, room_taken) + kFew, kMostShown);
}

// An operation is remembered also when it has been completed: its notification comes later.
void RecordSampler::forget_old() {
  operations_.erase(operations_.lower_bound(kAlone), operations_.end());
  while (operations_.size() > kMostOperations) {
    forgotten_ = operations_.begin()->first;
    operations_.erase(operations_.begin());
  }
}

}  // namespace vmmc::lab
