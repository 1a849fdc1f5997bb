// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// Which record goes to which track of Perfetto, and for how long.
//
// Perfetto throws away a slice that begins before another one on its track has ended. So slices of a track
// never overlap here, nor do they nest: one that would is moved to the track "engine (2)", and so on. An arrow
// then belongs to exactly one slice.
//
// Thread numbers are unique in the whole file, since Perfetto looks threads up without their process.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tools/vmmctrace/packets.h"
#include "tools/vmmctrace/trace_file.h"

namespace vmmc::trace_tool {

// Process numbers: 0 has a meaning of its own to Perfetto.
inline constexpr std::uint32_t kBackplanePid = 999;
inline constexpr std::uint32_t kFirstNodePid = 1000;

struct Track {
  std::uint32_t pid;
  std::uint32_t place;  // of a node: the engine; of the backplane: from and to, or kTracePlace
  std::uint32_t lane;   // 0, 1 ...: "engine", "engine (2)" ...
  auto operator<=>(const Track&) const = default;
};

// The track of the backplane's process for what is said of the whole trace.
inline constexpr Track kTraceTrack = {kBackplanePid, 0xffffffff, 0};

class PerfettoTracks {
 public:
  // ps. So long is a slice that has no duration, but an arrow: an arrow needs a slice, and Perfetto keeps whole
  // ns.
  static constexpr std::uint64_t kShortSlice = 1000;

  PerfettoTracks(const TraceFile& trace, const std::vector<std::uint32_t>& by_time,
                 const Packets& packets);

  // For an index of records(). 0 ps: an instant.
  std::uint64_t duration(std::uint32_t index) const;
  Track track(std::uint32_t index) const;
  std::uint32_t tid(const Track& track) const { return tids_.at(track); }

  // Every track, with its thread number, in order.
  const std::map<Track, std::uint32_t>& all() const { return tids_; }

 private:
  const TraceFile& trace_;
  const Packets& packets_;
  std::vector<std::uint32_t> lanes_;
  std::map<Track, std::uint32_t> tids_;
};

// "outgoing FIFO (2)"
std::string track_name(const Track& track);

}  // namespace vmmc::trace_tool
