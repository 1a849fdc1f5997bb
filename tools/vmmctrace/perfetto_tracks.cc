// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
#include "tools/vmmctrace/perfetto_tracks.h"

#include <functional>
#include <queue>

#include "tools/vmmctrace/names.h"

namespace vmmc::trace_tool {
namespace {

Track first_track(const Record& record) {
  if (record.engine == wire::TraceEngine::kBackplane) {
    // A packet has crossed where it arrives.
    const bool arrived = record.event == wire::TraceEvent::kPacketCrossed;
    const std::uint32_t from = arrived ? record.peer : record.node;
    return {kBackplanePid, (from << 16) | (arrived ? record.node : record.peer), 0};
  }
  return {kFirstNodePid + record.node, static_cast<std::uint32_t>(record.engine), 0};
}

// The lanes of one track: the lowest that is free is taken.
class Lanes {
 public:
  std::uint32_t take(std::uint64_t begin, std::uint64_t end) {
    for (; !busy_.empty() && busy_.top().first <= begin; busy_.pop())
      free_.push(busy_.top().second);
    std::uint32_t lane = count_;
    if (free_.empty()) {
      ++count_;
    } else {
      lane = free_.top();
      free_.pop();
    }
    busy_.push({end, lane});
    return lane;
  }

 private:
  template <typename T>
  using LeastFirst = std::priority_queue<T, std::vector<T>, std::greater<>>;

  LeastFirst<std::pair<std::uint64_t, std::uint32_t>> busy_;  // until when, which
  LeastFirst<std::uint32_t> free_;
  std::uint32_t count_ = 0;
};

}  // namespace

PerfettoTracks::PerfettoTracks(const TraceFile& trace, const std::vector<std::uint32_t>& by_time,
                               const Packets& packets)
    : trace_(trace), packets_(packets), lanes_(trace.records().size()) {
  std::map<Track, Lanes> lanes;
  tids_[kTraceTrack] = 0;
  for (const std::uint32_t index : by_time) {
    const Record& record = trace.records()[index];
    Track track = first_track(record);
    if (const std::uint64_t length = duration(index); length != 0) {
      track.lane = lanes[track].take(record.time, record.time + length);
      lanes_[index] = track.lane;
    }
    tids_[track] = 0;
  }
  std::uint32_t tid = 0;
  for (auto& [track, number] : tids_) number = ++tid;
}

std::uint64_t PerfettoTracks::duration(std::uint32_t index) const {
  const std::uint64_t duration = trace_.records()[index].duration;
  if (duration != 0 || packets_.other_end(index) == Packets::kNone) return duration;
  return kShortSlice;
}

Track PerfettoTracks::track(std::uint32_t index) const {
  Track track = first_track(trace_.records()[index]);
  track.lane = lanes_[index];
  return track;
}

std::string track_name(const Track& track) {
  if (track == kTraceTrack) return "trace";
  std::string name;
  if (track.pid == kBackplanePid) {
    name = "node " + std::to_string(track.place >> 16) + " > node " +
           std::to_string(track.place & 0xffff);
  } else {
    name = spoken(engine_name(static_cast<wire::TraceEngine>(track.place)));
  }
  if (track.lane != 0) name += " (" + std::to_string(track.lane + 1) + ')';
  return name;
}

}  // namespace vmmc::trace_tool
